"""How long a training stands still when one of its processes is killed, beside what a fresh start takes.

    python -m benchmarks.recovery --framework pytorch     # or jax, tensorflow, mxnet

`trainwright run` trains the model of the framework's example on two workers: once undisturbed, then several times with
a SIGKILL for the training process of rank 1 in mid-training. Of each of these the seconds from the kill are measured
until no process of the group is left, until the new group has done its first optimizer step, and until it is past the
step that the old one was at; the first of the two groups tells what a fresh start takes, from the start of its first
process to its first optimizer step. The losses of all steps must be those of the undisturbed training, to the last
digit.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is run as a file

import psutil
import yaml

from benchmarks.ends import end, ending_with_us
from benchmarks.load.report import Row, show
from trainwright.api.loading import read_manifests
from trainwright_trainers.runtime.losses import process_start

EXAMPLES = Path(__file__).parents[1] / "manifests" / "examples"
FRAMEWORKS = ("pytorch", "jax", "tensorflow", "mxnet")
EPOCHS = 30
SAVED_EVERY = 50
"""Optimizer steps between two checkpoints."""
KILLED_AFTER = 60
"""Optimizer steps that are done and told of before the kill, at least."""
COMPARED = 40
"""Optimizer steps after the one of the kill whose losses are compared."""
LONGEST_SECONDS = 300
STEP = "train"

Object = dict[str, Any]


class Training:
    """One `trainwright run`, which is stopped at the end of the block if it hasn't ended before."""

    def __init__(self, framework: str) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._module = f"trainwright_trainers.{framework}.worker"
        self._files = folder / "run" / "steps" / STEP
        self._said = folder / "said"
        (folder / "job.yaml").write_text(yaml.safe_dump(job_of(framework)))
        main = "from trainwright.cli import main; main()"
        self._runner = subprocess.Popen(
            [sys.executable, "-c", main, "run", str(folder / "job.yaml"), "--output", str(folder / "run")],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=self._said.open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=ending_with_us(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._runner.wait(LONGEST_SECONDS)
        end(self._runner)
        self._folder.cleanup()

    def steps(self) -> dict[int, Object]:
        """The history's records of optimizer steps, by their number."""
        return {record["step"]: record for record in self._records("history.jsonl") if "loss" in record}

    def resumption(self) -> Object | None:
        """What the journal tells of the group that went on from a checkpoint."""
        return next((record for record in self._records("journal.jsonl") if record["event"] == "resumed"), None)

    def workers(self) -> list[psutil.Process]:
        """The processes that train, by rank."""
        found = [process for process in self._descendants() if self._module in _quietly(process.cmdline, [])]
        return sorted(found, key=lambda process: int(_quietly(process.environ, {}).get("RANK", "-1")))

    def begun(self) -> float:
        """When the first of the pods' processes was started, in seconds since the epoch."""
        return min(process_start(process.pid) for process in self._descendants())

    def wait_for(self, what: Callable[[], bool], looking: float = 0.05) -> None:
        """Wait until something holds, looking every so many seconds.

        Raises:
            RuntimeError: the run ended before, or it took too long.
        """
        last = time.monotonic() + LONGEST_SECONDS
        while not what():
            if self._runner.poll() is not None or time.monotonic() > last:
                raise RuntimeError(f"the training didn't come so far:\n{self._said.read_text()}")
            time.sleep(looking)

    def conclude(self) -> None:
        """Wait for its end.

        Raises:
            RuntimeError: it failed.
        """
        if self._runner.wait(LONGEST_SECONDS):
            raise RuntimeError(self._said.read_text())

    def _records(self, name: str) -> list[Object]:
        path = self._files / name
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _descendants(self) -> list[psutil.Process]:
        return psutil.Process(self._runner.pid).children(recursive=True)


@dataclass(frozen=True)
class Recovery:
    """What a kill cost, in seconds from it where nothing else is said."""

    fresh: float
    """What the group's first start took, to its first optimizer step."""
    down: float
    """Until no process of the group was left."""
    training: float
    """Until the new group had done an optimizer step."""
    past: float
    """Until it had done one more than the old group."""
    again: int
    """Optimizer steps that were done twice."""
    losses: dict[int, float]
    """By the optimizer step."""


def measure(framework: str) -> Recovery:
    """Kill one process of a training, and wait until it is well past that."""
    with Training(framework) as training:
        training.wait_for(lambda: len(training.workers()) == 2)
        begun = training.begun()
        training.wait_for(lambda: max(training.steps(), default=0) >= KILLED_AFTER)
        fresh, group = training.steps()[1]["time"] - begun, training.workers()
        killed = time.time()
        group[1].kill()
        training.wait_for(lambda: not any(map(_lives, group)), looking=0.005)
        down = time.time() - killed
        training.wait_for(lambda: training.resumption() is not None)
        resumed = training.resumption()
        assert resumed is not None
        reached = resumed["step"] + resumed["undoneSteps"]
        training.wait_for(lambda: max(training.steps(), default=0) >= reached + COMPARED)
        steps = training.steps()
        return Recovery(
            fresh,
            down,
            steps[resumed["step"] + 1]["time"] - killed,
            steps[reached + 1]["time"] - killed,
            resumed["undoneSteps"],
            {number: record["loss"] for number, record in steps.items()},
        )


def measure_undisturbed(framework: str) -> dict[int, float]:
    """The losses of a training that nothing happens to."""
    with Training(framework) as training:
        training.conclude()
        return {number: record["loss"] for number, record in training.steps().items()}


def job_of(framework: str) -> Object:
    """The example's training and nothing after it, with many checkpoints."""
    body = next(read_manifests(EXAMPLES / f"digits-{framework}.yaml"))
    train = body["spec"]["steps"][0][STEP] | {"epochs": EPOCHS, "checkpoint": {"everySteps": SAVED_EVERY}}
    body["spec"]["steps"] = [{"name": STEP, STEP: train}]
    return body


def rows(found: list[Recovery], undisturbed: dict[int, float]) -> list[Row]:
    """The table of what was found."""
    same = all(undisturbed[step] == loss for one in found for step, loss in one.losses.items())
    return [
        Row("a fresh start, to its first optimizer step", *seconds([one.fresh for one in found])),
        Row("kill to: no process of the group is left", *seconds([one.down for one in found])),
        Row("kill to: the new group's first optimizer step", *seconds([one.training for one in found])),
        Row("kill to: past the optimizer step of the kill", *seconds([one.past for one in found])),
        Row("the same, divided by a fresh start", f"{statistics.median(one.past / one.fresh for one in found):.2f}"),
        Row("optimizer steps done again", ", ".join(str(one.again) for one in found), f"at most {2 * SAVED_EVERY}"),
        Row("losses are those of the undisturbed training", "yes" if same else "NO", "yes"),
    ]


def seconds(values: list[float]) -> tuple[str]:
    """The median, with the least and the most."""
    return (f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})",)


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and _quietly(process.status, psutil.STATUS_ZOMBIE) != psutil.STATUS_ZOMBIE


def _quietly(ask: Callable[[], Any], otherwise: Any) -> Any:
    """What a process answers, or the other value when it has just ended."""
    with suppress(psutil.Error):
        return ask()
    return otherwise


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--framework", choices=FRAMEWORKS, default="pytorch", help="whose trainer is killed")
    parser.add_argument("--times", type=int, default=3, help="how often (default: 3)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through all that is to be ended
    undisturbed = measure_undisturbed(arguments.framework)
    found = [measure(arguments.framework) for _ in range(arguments.times)]
    show(f"kill -9 of one of two workers, {arguments.framework}", rows(found, undisturbed))


if __name__ == "__main__":
    main()
