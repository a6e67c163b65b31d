"""What the PyTorch trainer costs beside a bare hand-written DDP loop: throughput, checkpoints, time to the first step.

    python benchmarks/trainer_overhead.py
    python benchmarks/trainer_overhead.py --metrics     # only what the live figures cost

Three contenders train the same model on the same data with the same batch and optimizer, each as two processes of one
thread under torchrun's launcher: the trainer, the bare loop, and the trainer with a checkpoint every 50 steps. They
take turns of a few seconds (A B C A B C ...) while the others are halted, so that other load on the machine slows all
of them alike. The model notes when each of its forward passes begins; what is compared is steps a second of own turns,
and CPU time a step, which other load disturbs less. The time to the first step is measured before that, in turn as well
and in both ways.

What the live figures cost is far less than two runs differ by, so it is not compared but counted: in a trainer whose
figures are scraped once a turn, the time in all that is done for them, in the loop and in the threads that serve them,
is measured as a share of the whole.
"""

import argparse
import functools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

PROCESSES = 2
BATCH = 256
EPOCH = 50
"""Batches that the data set has."""
RATE = 1e-3
WARM_UP = 10
"""Steps before a contender's first turn."""
STAMPS = "BENCHMARK_STAMPS"
STAMP_BYTES = 24
COUNTED = "BENCHMARK_COUNTED"


# Model and data are written here without the trainer's, so that the bare loop imports nothing of it.


class Block(nn.Module):
    """Two convolutions and a shortcut: [n, channels, 8, 8] -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions found."""
        return torch.relu(x + self.layers(x))


class Timed(nn.Module):
    """A small residual network that writes down, in the process of rank 0, when its training passes began."""

    def __init__(self) -> None:
        super().__init__()
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
        self.network = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), *(Block(32) for _ in range(3)), *head)
        self._stamps = Path(os.environ[STAMPS]).open("ab", buffering=0) if os.environ["RANK"] == "0" else None  # noqa: SIM115

    def forward(self, x: Tensor) -> Tensor:
        """[n, 1, 8, 8] -> [n, 10]."""
        if self._stamps is not None and self.training and len(x) == BATCH // PROCESSES:
            launcher = psutil.Process(os.getppid()).cpu_times() if self._stamps.tell() < 3 * STAMP_BYTES else None
            used = time.process_time() + (launcher.user + launcher.system if launcher else 0.0)
            self._stamps.write(np.array([time.time(), used, SPENT.seconds]).tobytes())
        logits: Tensor = self.network(x)
        return logits


def timed_model() -> nn.Module:
    """The trainer's model factory."""
    if os.environ.get(COUNTED):
        count_figures()
    torch.manual_seed(0)
    return Timed()


class Spent:
    """CPU time of some functions, in seconds, in all threads; one that calls another is not counted twice."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = threading.local()

    def count(self, owner: type, name: str) -> None:
        """Count the time in a method from now on."""
        method = getattr(owner, name)

        @functools.wraps(method)
        def counted(*args: object, **kwargs: object) -> object:
            if getattr(self._inside, "now", False):
                return method(*args, **kwargs)
            self._inside.now, begun = True, time.thread_time()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - begun
                self._inside.now = False

        setattr(owner, name, counted)


SPENT = Spent()


def count_figures() -> None:
    """Count the time in all that is done for the live figures in this process, from the loop to the answered scrape."""
    from prometheus_client.exposition import ThreadingWSGIServer

    from trainwright_trainers.runtime.losses import Losses
    from trainwright_trainers.runtime.progress import Progress
    from trainwright_trainers.runtime.reporting import Reporter

    for owner, names in {
        Progress: ("update",),
        Losses: ("add", "save"),
        Reporter: ("stretch", "epoch", "checkpoint", "stall"),
        ThreadingWSGIServer: ("process_request_thread",),
    }.items():
        for name in names:
            SPENT.count(owner, name)


def samples() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The trainer's data factory: random images of random classes, a whole number of batches."""
    random = np.random.default_rng(0)
    images = random.random((BATCH * EPOCH, 1, 8, 8), np.float32)
    labels = random.integers(0, 10, len(images))
    return (images, labels), (images[:8], labels[:8])


def train_bare() -> None:
    """The loop as one writes it by hand: no checkpoint, no log, no look at the loss."""
    dist.init_process_group("gloo")
    rank, share = dist.get_rank(), BATCH // PROCESSES
    inputs, targets = (torch.from_numpy(array) for array in samples()[0])
    model = DistributedDataParallel(timed_model())
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)  # as the trainer has it
    generator = torch.Generator().manual_seed(0)
    while True:  # until it is killed
        order = torch.randperm(len(inputs), generator=generator)
        for start in range(rank * share, len(inputs), BATCH):
            indices = order[start : start + share]
            loss = cross_entropy(model(inputs[indices]), targets[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


BARE, SAVING, SCRAPED = "bare loop", "trainer, saving every 50", "trainer, scraped"
SELDOM = 10_000_000
CONTENDERS = {"trainer": SELDOM, BARE: 0, SAVING: 50, SCRAPED: SELDOM}
"""By name, the optimizer steps between two checkpoints."""


@dataclass(frozen=True)
class Turn:
    """What was measured in one turn."""

    rate: float
    """Steps a second."""
    cpu: float
    """CPU seconds a step, of all processes."""
    counted: float
    """Share of the time that went into what is counted."""


class Running:
    """A contender that trains until it is ended."""

    def __init__(self, name: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        root = Path(self._folder.name)
        self._stamps = root / "stamps"
        self._stamps.touch()
        self._page: str | None = None
        environment = os.environ | variables(name, root)
        if name == SCRAPED:
            environment["TRAINWRIGHT_METRICS_PORT"] = str(free_port())
            self._page = f"http://127.0.0.1:{environment['TRAINWRIGHT_METRICS_PORT']}/metrics"
            environment[COUNTED] = "yes"
        self.started = time.time()
        self._launcher = subprocess.Popen(
            command(name), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self._workers(), psutil.Process(self._launcher.pid)]:
            process.kill()
        self._launcher.wait()
        self._folder.cleanup()

    def stamps(self) -> np.ndarray:
        """When each forward pass began, the CPU time used by then, and that in what is counted, [steps, 3]."""
        return np.frombuffer(self._stamps.read_bytes(), np.float64).reshape(-1, 3)

    def wait_for(self, steps: int) -> None:
        """Wait until so many steps have begun."""
        while len(self.stamps()) < steps:
            assert self._launcher.poll() is None, "the contender ended"
            time.sleep(0.02)

    def halt(self) -> None:
        """Stop the workers where they are."""
        for process in self._workers():
            process.send_signal(signal.SIGSTOP)

    def turn(self, seconds: float) -> Turn:
        """Train for some seconds."""
        before, used = len(self.stamps()), self._cpu()
        for process in self._workers():
            process.send_signal(signal.SIGCONT)
        time.sleep(seconds / 2)
        if self._page is not None:
            with urllib.request.urlopen(self._page, timeout=10) as page:
                assert b"trainwright_training_loss" in page.read()
        time.sleep(seconds / 2)
        self.halt()
        stamps = self.stamps()[before:]
        # The first step of a turn was begun in the last one.
        elapsed, _, counted = stamps[-1] - stamps[1]
        return Turn((len(stamps) - 2) / elapsed, (self._cpu() - used) / len(stamps), counted / elapsed)

    def _cpu(self) -> float:
        """CPU seconds that the workers used."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self._workers())

    def _workers(self) -> list[psutil.Process]:
        return psutil.Process(self._launcher.pid).children(recursive=True)


def command(name: str) -> list[str]:
    """How the contender is started."""
    if name == BARE:
        return [sys.executable, "-m", "torch.distributed.run", __file__, "--bare"]
    return [sys.executable, "-m", "trainwright_trainers.pytorch"]


def variables(name: str, root: Path) -> dict[str, str]:
    """Its environment."""
    train = {
        "epochs": 100_000,
        "batchSize": BATCH,
        "optimizer": {"name": "AdamW", "learningRate": RATE},
        "checkpoint": {"everySteps": max(1, CONTENDERS[name])},
    }
    step = {
        "job": "benchmark",
        "namespace": "default",
        "framework": "pytorch",
        "model": {"factory": "benchmarks.trainer_overhead:timed_model"},
        "data": {"factory": "benchmarks.trainer_overhead:samples"},
        "step": {"name": "train", "train": train},
        "output": "steps/train/artifact",
        "checkpoints": "steps/train/checkpoints",
    }
    return {
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PET_NNODES": "1",
        "PET_NPROC_PER_NODE": str(PROCESSES),
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(free_port()),
        "TRAINWRIGHT_ROOT": str(root),
        "TRAINWRIGHT_TERMINATION_LOG": str(root / "log"),
        "TRAINWRIGHT_STEP": json.dumps(step),
        STAMPS: str(root / "stamps"),
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Start:
    """What a contender's start took, up to the end of its first step."""

    clock: float
    cpu: float


def measure_start(name: str) -> Start:
    """Start a contender and end it after its first step."""
    with Running(name) as contender:
        contender.wait_for(2)
        clock, cpu, _ = contender.stamps()[1]
        return Start(clock - contender.started, cpu)


def measure_turns(contenders: Sequence[str], arguments: argparse.Namespace) -> dict[str, list[Turn]]:
    """What each contender did in each of its turns.

    The same program is some percent faster or slower from one start to the next, with the luck of its memory's layout,
    and keeps that to its end: so every contender is started several times.
    """
    found: dict[str, list[Turn]] = {name: [] for name in contenders}
    for _ in range(arguments.starts):
        with ExitStack() as stack:
            running = {name: stack.enter_context(Running(name)) for name in contenders}
            for contender in running.values():
                contender.wait_for(WARM_UP)
                contender.halt()
            for number in range(arguments.rounds):
                for name in contenders if number % 2 == 0 else reversed(contenders):
                    found[name].append(running[name].turn(arguments.seconds))
    return found


def compare(turns: dict[str, list[Turn]], words: str, one: str, other: str, share: float) -> None:
    """Print the ratios of two contenders' turns, of which the first may cost a share more than the second."""
    both = list(zip(turns[one], turns[other], strict=True))
    say(f"throughput, {words}", [a.rate / b.rate for a, b in both], f"at least {1 - share:g}")
    say(f"CPU time a step, {words}", [a.cpu / b.cpu for a, b in both], f"at most {1 + share:g}")


def say(what: str, values: list[float], wanted: str) -> None:
    """Print one result."""
    low, high = np.percentile(values, [25, 75])
    print(f"{what}: median {statistics.median(values):.4f} (quartiles {low:.4f} to {high:.4f}); wanted {wanted}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=7, help="starts of each contender in each part")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each contender after each start")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a turn")
    parser.add_argument("--metrics", action="store_true", help="measure only what the live figures cost")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        train_bare()
        return
    if not arguments.metrics:
        measure_trainer(arguments)
    turns = measure_turns((SCRAPED,), arguments)[SCRAPED]
    say("share of the time that the live figures cost", [turn.counted for turn in turns], "at most 0.005")


def measure_trainer(arguments: argparse.Namespace) -> None:
    """Measure and print all but the live figures."""
    starts = [(measure_start("trainer"), measure_start(BARE)) for _ in range(arguments.starts)]
    say("seconds to the first step, trainer - bare", [ours.clock - bare.clock for ours, bare in starts], "at most 1")
    say("CPU seconds to the first step, trainer - bare", [ours.cpu - bare.cpu for ours, bare in starts], "at most 1")
    turns = measure_turns(("trainer", BARE, SAVING), arguments)
    for name, found in turns.items():
        print(f"{name}: {statistics.median(turn.rate for turn in found) * BATCH:,.0f} samples/s")
    compare(turns, "trainer / bare", "trainer", BARE, 0.03)
    compare(turns, "saving every 50 steps / not saving", SAVING, "trainer", 0.03)


if __name__ == "__main__":
    main()
