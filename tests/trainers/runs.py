"""Real runs of the trainers: in pods' stead, processes on this machine."""

import importlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.promises import ran
from trainwright.api.contract import StepConfiguration, StepResult
from trainwright.api.job import Framework
from trainwright.api.steps import Factory, Step
from trainwright.local.interpreters import interpreter_of
from trainwright.local.ports import free_ports
from trainwright_trainers.runtime.execution import execute

ROOT = Path(__file__).parents[2]
DIGITS = {"factory": "trainwright_trainers.data:digits"}
MLP = {"factory": "trainwright_trainers.pytorch.models:mlp"}
QUICK = {"name": "adamw", "learningRate": 5e-3}
"""An optimizer that learns the digits in a few epochs."""


@dataclass(frozen=True)
class Job:
    """One step of a job, with a storage of its own."""

    root: Path
    train: dict[str, Any]
    model: dict[str, Any] = field(default_factory=lambda: MLP)
    data: dict[str, Any] = field(default_factory=lambda: DIGITS)
    name: str = "train"
    input: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    framework: Framework = "pytorch"
    kind: str = "train"
    """The kind of step, whose options `train` then are."""

    @property
    def directory(self) -> Path:
        """The step's directory."""
        return self.root / "steps" / self.name

    @property
    def checkpoints(self) -> Path:
        """Its checkpoints' directory."""
        return self.directory / "checkpoints"

    @property
    def step(self) -> Step:
        """The step's part of the job."""
        return Step.model_validate({"name": self.name, self.kind: self.train})

    def variables(self) -> dict[str, str]:
        """What the operator sets in every pod."""
        configuration = StepConfiguration(
            job="job",
            namespace="default",
            framework=self.framework,
            seed=1,
            model=Factory.model_validate(self.model),
            data=Factory.model_validate(self.data),
            step=self.step,
            input=self.input,
            output=f"steps/{self.name}/artifact",
            checkpoints=f"steps/{self.name}/checkpoints",
        )
        self.root.mkdir(exist_ok=True)
        return {
            "TRAINWRIGHT_STEP": configuration.model_dump_json(),
            "TRAINWRIGHT_ROOT": str(self.root),
            "TRAINWRIGHT_TERMINATION_LOG": str(self.root / "termination-log"),
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
            **self.environment,
        }

    def history(self) -> list[dict[str, Any]]:
        """The lines of the history."""
        return [json.loads(line) for line in (self.directory / "history.jsonl").read_text().splitlines()]

    def losses(self) -> dict[int, float]:
        """The loss of every optimizer step."""
        return {record["step"]: record["loss"] for record in self.history() if "loss" in record}

    def weights(self) -> bytes:
        """The trained weights' file."""
        return (self.directory / "artifact" / "model.safetensors").read_bytes()


@dataclass(frozen=True)
class Ended:
    """How a pod ended."""

    exit_code: int
    result: StepResult
    log: str


def run_here(job: Job, monkeypatch: pytest.MonkeyPatch) -> tuple[int, StepResult]:
    """Run the step in this process, alone."""
    steps = importlib.import_module(f"trainwright_trainers.{job.framework}.steps")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with monkeypatch.context() as patch:
        for name, value in job.variables().items():
            patch.setenv(name, value)
        try:
            code = execute(lambda step: steps.find_run(step)(step))
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return code, _result_of(job, job.root / "termination-log")


def _result_of(job: Job, message: Path) -> StepResult:
    """What a pod left, as the operator reads it."""
    content = message.read_bytes()
    assert len(content) <= 4096
    result = StepResult.model_validate_json(content)
    if result.outcome == "Succeeded":
        ran(job.framework, job.step)
    return result


def _tensorflow_cluster(port: int, processes: int, nodes: int, rank: int) -> str:
    """What the operator tells a pod of TensorFlow; those of one machine listen on other ports."""
    workers = [f"127.0.0.1:{port + node * processes}" for node in range(nodes)]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})


class Pod:
    """The entry point of one pod, with its workers."""

    def __init__(self, job: Job, processes: int, nodes: int, rank: int, port: int) -> None:
        self._job, self._message = job, job.root / f"termination-log-{rank}"
        environment = os.environ | {
            **job.variables(),
            "TRAINWRIGHT_TERMINATION_LOG": str(self._message),
            "TRAINWRIGHT_INDEX": str(rank),
            "TRAINWRIGHT_PROCESSES_PER_WORKER": str(processes),
            "PET_NNODES": str(nodes),
            "PET_NPROC_PER_NODE": str(processes),
            "PET_NODE_RANK": str(rank),
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_MASTER_PORT": str(port),
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(nodes * processes),
            "TF_CONFIG": _tensorflow_cluster(port, processes, nodes, rank),
            "DMLC_ROLE": "worker",
            "DMLC_PS_ROOT_URI": "127.0.0.1",
            "DMLC_PS_ROOT_PORT": str(port),
            "DMLC_NUM_SERVER": "1",
            "DMLC_NUM_WORKER": str(nodes * processes),
            "DMLC_NODE_HOST": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }
        command = [interpreter_of(job.framework), "-m", f"trainwright_trainers.{job.framework}"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def workers(self) -> list[psutil.Process]:
        """The worker processes that live."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait(self, seconds: float = 600) -> Ended:
        """Wait for the end."""
        _, log = self.process.communicate(timeout=seconds)
        return Ended(self.process.returncode, _result_of(self._job, self._message), log)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            for process in [*self.workers(), self.process]:
                process.kill()
        self.process.communicate()


@contextmanager
def pods(job: Job, *, processes: int = 1, nodes: int = 1, started: int | None = None) -> Iterator[list[Pod]]:
    """The pods of a step; `started` is how many of the `nodes` exist."""
    port, *_ = free_ports(nodes * processes)
    running: list[Pod] = []
    try:
        for rank in range(nodes if started is None else started):
            running += [Pod(job, processes, nodes, rank, port)]
        yield running
    finally:
        for pod in running:
            pod.end()


def run_group(job: Job, processes: int = 2) -> Ended:
    """Run the step in one pod of several processes, to its end."""
    with pods(job, processes=processes) as (pod,):
        return pod.wait()
