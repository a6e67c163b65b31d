"""What a trainer costs beside a bare hand-written loop: throughput, checkpoints, time to the first step.

    python -m benchmarks.trainer_overhead --framework pytorch     # or jax, or tensorflow
    python -m benchmarks.trainer_overhead --metrics               # only what the live figures cost

The contenders train the same model on the same data with the same batch and optimizer, as two processes of one thread:
the trainer, the bare loop of `bare/`, and the trainer with a checkpoint every 50 steps, or for JAX in one process
alone. They take turns of a few seconds (A B C C B A ...) while the others are halted, so that other load on the
machine slows all of them alike. The model notes when each of its forward passes begins; what is compared is steps a
second of own turns, and CPU time a step, which other load disturbs less. The time to the first step is measured before
that, in turn as well and in both ways; for JAX also how long programs take to be compiled, and to be read when an
earlier start has compiled them.

What the live figures cost is far less than two runs differ by, so it is not compared but counted: in a trainer whose
figures are scraped once a turn, the time in all that is done for them, in the loop and in the threads that serve them,
is measured as a share of the whole.
"""

import argparse
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is run as a file

from benchmarks.bare.task import BATCH
from benchmarks.contenders import BARE, FRAMEWORKS, SAVING, SCRAPED, SINGLE, STEP, TRAINER, Running, Turn

WARM_UP = 10
"""Steps before a contender's first turn."""


@dataclass(frozen=True)
class Start:
    """What a contender's start took, up to the end of its first step."""

    clock: float
    cpu: float


def measure_start(framework: str, name: str) -> Start:
    """Start a contender and end it after its first step."""
    with Running(framework, name) as contender:
        contender.wait_for(2)
        clock, cpu, _ = contender.stamps()[1]
        return Start(clock - contender.started, cpu)


def measure_compilation(framework: str) -> tuple[float, float]:
    """Seconds that the trainer's programs took with an empty and with a filled cache."""
    with tempfile.TemporaryDirectory() as folder:
        root, found = Path(folder), []
        for _ in range(2):
            # Its steps are not noted, since JAX keeps no compiled program that does so.
            with Running(framework, TRAINER, root, stamped=False) as contender:
                found.append(float(contender.conclude()["compilation"]["seconds"]))
            shutil.rmtree(root / STEP)
        return found[0], found[1]


def measure_turns(contenders: Sequence[str], arguments: argparse.Namespace) -> dict[str, list[Turn]]:
    """What each contender did in each of its turns.

    The same program is some percent faster or slower from one start to the next, with the luck of its memory's layout,
    and keeps that to its end: so every contender is started several times.
    """
    found: dict[str, list[Turn]] = {name: [] for name in contenders}
    for _ in range(arguments.starts):
        with ExitStack() as stack:
            running = {name: stack.enter_context(Running(arguments.framework, name)) for name in contenders}
            for contender in running.values():
                contender.wait_for(WARM_UP)
            for contender in running.values():
                contender.halt()
            for number in range(arguments.rounds):
                for name in contenders if number % 2 == 0 else reversed(contenders):
                    found[name].append(running[name].turn(arguments.seconds))
    return found


def measure_starts(arguments: argparse.Namespace) -> None:
    """Measure and print what the contenders' starts take."""
    framework, count = arguments.framework, range(arguments.starts)
    starts = [(measure_start(framework, TRAINER), measure_start(framework, BARE)) for _ in count]
    say("seconds to the first step, trainer - bare", [ours.clock - bare.clock for ours, bare in starts], "at most 1")
    say("CPU seconds to the first step, trainer - bare", [ours.cpu - bare.cpu for ours, bare in starts], "at most 1")
    if FRAMEWORKS[framework].caches:
        compiled = [measure_compilation(framework) for _ in count]
        say("seconds of compiling, empty cache", [empty for empty, _ in compiled])
        say("seconds of compiling, filled cache", [filled for _, filled in compiled])


def measure_throughput(arguments: argparse.Namespace) -> None:
    """Measure and print what the contenders do in turn."""
    turns = measure_turns(FRAMEWORKS[arguments.framework].contenders, arguments)
    for name, found in turns.items():
        print(f"{name}: {statistics.median(turn.rate for turn in found) * BATCH:,.0f} samples/s")
    compare(turns, "trainer / bare", TRAINER, BARE, 0.03)
    if SAVING in turns:
        compare(turns, "saving every 50 steps / not saving", SAVING, TRAINER, 0.03)
    if SINGLE in turns:
        both = zip(turns[TRAINER], turns[SINGLE], strict=True)
        say("throughput, two processes / one", [two.rate / one.rate for two, one in both])


def compare(turns: dict[str, list[Turn]], words: str, one: str, other: str, share: float) -> None:
    """Print the ratios of two contenders' turns, of which the first may cost a share more than the second."""
    both = list(zip(turns[one], turns[other], strict=True))
    say(f"throughput, {words}", [a.rate / b.rate for a, b in both], f"at least {1 - share:g}")
    say(f"CPU time a step, {words}", [a.cpu / b.cpu for a, b in both], f"at most {1 + share:g}")


def say(what: str, values: list[float], wanted: str | None = None) -> None:
    """Print one result."""
    low, high = np.percentile(values, [25, 75])
    goal = f"; wanted {wanted}" if wanted else ""
    print(f"{what}: median {statistics.median(values):.4f} (quartiles {low:.4f} to {high:.4f}){goal}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trainer_overhead", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--framework", choices=FRAMEWORKS, default="pytorch", help="whose trainer is measured")
    parser.add_argument("--starts", type=int, default=3, help="starts of each contender in each part (default: 3)")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each contender after each start (default: 4)")
    parser.add_argument("--seconds", type=float, default=2.5, help="length of a turn (default: 2.5)")
    parser.add_argument("--metrics", action="store_true", help="measure only what the live figures cost")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through all that is to be ended
    if arguments.metrics:
        turns = measure_turns((SCRAPED,), arguments)[SCRAPED]
        say("share of the time that the live figures cost", [turn.counted for turn in turns], "at most 0.005")
        return
    measure_starts(arguments)
    measure_throughput(arguments)


if __name__ == "__main__":
    main()
