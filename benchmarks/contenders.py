"""Trainings that run in turn: the trainer in several ways, and the bare loop."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from benchmarks.bare.task import BATCH, HALTED, PROCESSES, RATE, STAMPS
from benchmarks.ends import end, ending_with_us
from benchmarks.figures import COUNTED
from trainwright.local.ports import free_ports

TRAINER, BARE, SAVING, SINGLE, SCRAPED = (
    *("trainer", "bare loop", "trainer, saving every 50"),
    *("trainer, one process", "trainer, scraped"),
)
SELDOM = 10_000_000
"""Optimizer steps between two checkpoints, where none is wanted."""
STOP_SECONDS = 60.0
"""How long a trainer may take to stop on request."""
QUIET_SECONDS = 0.1
"""A contender is at rest once it has used next to no CPU time for so long."""
STEP = "steps/train"


@dataclass(frozen=True)
class Framework:
    """What differs between frameworks."""

    launch: tuple[str, ...]
    """What starts the bare loop's processes, after Python's name."""
    contenders: tuple[str, ...]
    """Whose turns are compared."""
    caches: bool = False
    """Whether compiled programs are kept for the next start."""


LAUNCH = ("-m", "benchmarks.bare.launch")
FRAMEWORKS = {
    "pytorch": Framework(("-m", "torch.distributed.run", "-m"), (TRAINER, BARE, SAVING)),
    "jax": Framework(LAUNCH, (TRAINER, BARE, SINGLE), caches=True),
    "tensorflow": Framework(LAUNCH, (TRAINER, BARE, SAVING)),
}
"""A new framework is a file in `bare/` and an entry here."""


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
    """A contender that trains until it is ended.

    Args:
        framework: its framework.
        name: which of the contenders.
        root: the job's storage; one of its own where None.
        stamped: whether it notes its steps.
    """

    def __init__(self, framework: str, name: str, root: Path | None = None, *, stamped: bool = True) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._root = root or Path(self._folder.name)
        self._stamps = Path(self._folder.name) / "stamps"
        self._stamps.touch()
        self._halted = Path(f"{self._stamps}{HALTED}")
        self._log = Path(self._folder.name) / "log"
        self._page: str | None = None
        environment = os.environ | variables(framework, name, self._root)
        if stamped:
            environment[STAMPS] = str(self._stamps)
        if name == SCRAPED:
            environment["TRAINWRIGHT_METRICS_PORT"] = str(*free_ports(1))
            self._page = f"http://127.0.0.1:{environment['TRAINWRIGHT_METRICS_PORT']}/metrics"
            environment[COUNTED] = "yes"
        self.started = time.time()
        self._launcher = subprocess.Popen(
            command(framework, name),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._log.open("wb"),
            preexec_fn=ending_with_us(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        workers = self._workers()
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        end(self._launcher)
        psutil.wait_procs(workers, timeout=10)
        self._folder.cleanup()

    def stamps(self) -> np.ndarray:
        """When each forward pass began, the CPU time used by then, and that in what is counted, [steps, 3]."""
        return np.frombuffer(self._stamps.read_bytes(), np.float64).reshape(-1, 3)

    def wait_for(self, steps: int) -> None:
        """Wait until so many steps have begun."""
        while len(self.stamps()) < steps:
            self._check()
            time.sleep(0.02)

    def halt(self) -> None:
        """Let no further step begin, and wait until nothing is done any more, in the background neither."""
        self._halted.touch()
        used, before = self._cpu(), 0.0
        while used - before > QUIET_SECONDS / 5:
            time.sleep(QUIET_SECONDS)
            used, before = self._cpu(), used
        self._check()

    def turn(self, seconds: float) -> Turn:
        """Train for some seconds."""
        before, used = len(self.stamps()), self._cpu()
        self._halted.unlink()
        time.sleep(seconds / 2)
        if self._page is not None:
            with urllib.request.urlopen(self._page, timeout=10) as page:
                assert b"trainwright_training_loss" in page.read()
        time.sleep(seconds / 2)
        self.halt()
        stamps = self.stamps()[before:]
        elapsed, _, counted = stamps[-1] - stamps[0]
        return Turn((len(stamps) - 1) / elapsed, (self._cpu() - used) / len(stamps), counted / elapsed)

    def conclude(self) -> dict[str, Any]:
        """Ask the trainer to stop once it has done a step; gives the details of its result."""
        history = self._root / STEP / "history.jsonl"
        while not history.exists() or not history.stat().st_size:
            self._check()
            time.sleep(0.02)
        self._launcher.terminate()
        self._launcher.wait(STOP_SECONDS)
        details: dict[str, Any] = json.loads((self._root / STEP / "result.json").read_text())["details"]
        return details

    def _check(self) -> None:
        """Raises: RuntimeError: it has ended."""
        if self._launcher.poll() is not None:
            last = self._log.read_text(errors="replace").splitlines()[-15:]
            raise RuntimeError("\n".join([f"a contender ended with {self._launcher.returncode}", *last]))

    def _cpu(self) -> float:
        """CPU seconds that the workers used."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self._workers())

    def _workers(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._launcher.pid).children(recursive=True)
        return []


def command(framework: str, name: str) -> list[str]:
    """How the contender is started."""
    if name == BARE:
        return [sys.executable, *FRAMEWORKS[framework].launch, f"benchmarks.bare.{framework}"]
    return [sys.executable, "-m", f"trainwright_trainers.{framework}"]


def variables(framework: str, name: str, root: Path) -> dict[str, str]:
    """Its environment, with all that it writes below `root`."""
    processes = 1 if name == SINGLE else PROCESSES
    port, *_ = free_ports(processes)
    pod = {"cluster": {"worker": [f"127.0.0.1:{port}"]}, "task": {"type": "worker", "index": 0}}
    return {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        # One thread in each process
        "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        # PyTorch
        "GLOO_SOCKET_IFNAME": "lo",
        "PET_NNODES": "1",
        "PET_NPROC_PER_NODE": str(processes),
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(port),
        # JAX
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
        "JAX_NUM_PROCESSES": str(processes),
        # TensorFlow
        "TF_CONFIG": json.dumps(pod),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": "tensorflow",
        # All
        "TRAINWRIGHT_INDEX": "0",
        "TRAINWRIGHT_PROCESSES_PER_WORKER": str(processes),
        "TRAINWRIGHT_ROOT": str(root),
        "TRAINWRIGHT_TERMINATION_LOG": str(root / "log"),
        "TRAINWRIGHT_STEP": json.dumps(step_of(framework, name)),
    }


def step_of(framework: str, name: str) -> dict[str, Any]:
    """The trainer's configuration."""
    train = {
        "epochs": 100_000,
        "batchSize": BATCH,
        "optimizer": {"name": "AdamW", "learningRate": RATE},
        "checkpoint": {"everySteps": 50 if name == SAVING else SELDOM},
    }
    return {
        "job": "benchmark",
        "namespace": "default",
        "framework": framework,
        "model": {"factory": f"benchmarks.bare.{framework}:timed_model"},
        "data": {"factory": "benchmarks.bare.task:samples"},
        "step": {"name": "train", "train": train},
        "output": f"{STEP}/artifact",
        "checkpoints": f"{STEP}/checkpoints",
    }
