"""A pod's worker processes, for frameworks that bring no launcher of their own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from trainwright.api.contract import INDEX_VARIABLE, PROCESSES_VARIABLE, StepResult
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.group import GROUP_VARIABLE, PARENT_VARIABLE, GroupDirectory
from trainwright_trainers.runtime.losses import LAUNCHED_VARIABLE
from trainwright_trainers.runtime.peers import resolve

POLL_SECONDS = 0.1
LAST_WORDS_SECONDS = 5.0
"""How long the other workers may take to notice that one of them has failed, before they are killed."""

Workers = dict[int, subprocess.Popen[bytes]]
"""By rank."""


def run_workers(step: StepContext, module: str, first_host: str, world_size: int) -> StepResult:
    """Run the step's worker processes of this pod; gives the result of the lowest rank, or the first fault.

    Args:
        step: the step.
        module: what each process runs, as `python -m` takes it. It finds its place in RANK, LOCAL_RANK, WORLD_SIZE and
            LOCAL_WORLD_SIZE.
        first_host: the host that all processes meet at.
        world_size: processes of all pods together.
    """
    if not resolve(first_host, step.stop):
        return StepResult(outcome="Stopped")
    with tempfile.TemporaryDirectory(prefix="trainwright-") as path:
        group = GroupDirectory(Path(path))
        workers = _start(module, path, world_size)
        try:
            return _watch(step, group, workers)
        finally:
            _kill(workers.values())


def _start(module: str, group: str, world_size: int) -> Workers:
    index, count = int(os.environ.get(INDEX_VARIABLE, "0")), int(os.environ.get(PROCESSES_VARIABLE, "1"))
    shared = {
        LAUNCHED_VARIABLE: str(time.time()),
        GROUP_VARIABLE: group,
        PARENT_VARIABLE: str(os.getpid()),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(count),
    }
    return {
        index * count + local: subprocess.Popen(
            [sys.executable, "-m", module],
            env=os.environ | shared | {"RANK": str(index * count + local), "LOCAL_RANK": str(local)},
        )
        for local in range(count)
    }


def _watch(step: StepContext, group: GroupDirectory, workers: Workers) -> StepResult:
    end = float("inf")
    while any(worker.poll() is None for worker in workers.values()) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        if step.stop.requested:
            group.stop_marker.touch()
            if not group.met:  # they wait for the other pods; nothing has begun, so there is nothing to save
                return StepResult(outcome="Stopped")
        if _failed(workers):
            end = min(end, time.monotonic() + LAST_WORDS_SECONDS)
    return group.conclude(_failed(workers))


def _failed(workers: Workers) -> dict[int, int]:
    """The exit codes of those that ended with another one than 0, by rank."""
    return {rank: code for rank, worker in workers.items() if (code := worker.poll())}


def _kill(workers: Iterable[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
        worker.wait()
