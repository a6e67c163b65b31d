"""The group of processes of a distributed step: torchrun's own launcher, run in the pod's entry point.

It is configured as torchrun is, by the PET_* variables (https://docs.pytorch.org/docs/stable/elastic/run.html).
"""

import logging
import os
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import launch_agent
from torch.distributed.run import config_from_args, parse_args

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.faults import failure, fault_of_exit, first_at_fault
from trainwright_trainers.runtime.group import GROUP_VARIABLE, PARENT_VARIABLE, GroupDirectory
from trainwright_trainers.runtime.stop import StopRequest

WORKER = "trainwright_trainers.pytorch.worker"
RESOLVE_SECONDS = 300.0
"""How long the name of the first pod may stay unknown: a headless Service publishes it when that pod has an address."""
POLL_SECONDS = 0.1


def run(step: StepContext) -> StepResult:
    """Run the step's worker processes of this pod; gives the result of the lowest rank, or the first fault."""
    with tempfile.TemporaryDirectory(prefix="trainwright-") as path:
        group = GroupDirectory(Path(path))
        os.environ[GROUP_VARIABLE] = path
        os.environ[PARENT_VARIABLE] = str(os.getpid())
        if not resolve(os.environ.get("PET_MASTER_ADDR", "127.0.0.1"), step.stop):
            return StepResult(outcome="Stopped")
        launcher = Launcher()
        launcher.start()
        while launcher.is_alive():
            launcher.join(POLL_SECONDS)
            if step.stop.requested:
                group.stop_marker.touch()
                if not group.started:  # it waits for the other pods; nothing has begun, so there is nothing to save
                    return StepResult(outcome="Stopped")
        return conclude(group, launcher)


class Launcher(threading.Thread):
    """torchrun's agent for this pod, in a thread so that the main thread can react to signals at any time.

    Attributes:
        failures: by rank, the worker processes that didn't end with exit code 0.
        error: what else went wrong, such as a rendezvous that never came about.
    """

    def __init__(self) -> None:
        super().__init__(name="launcher", daemon=True)
        self.failures: dict[int, ProcessFailure] = {}
        self.error: Exception | None = None

    def run(self) -> None:
        """Start the workers and wait until they end; when one fails, the others are ended at once."""
        # It would warn that in a thread it can't handle signals, which the main thread does.
        logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.ERROR)
        try:
            config, command, arguments = config_from_args(parse_args(["--module", WORKER]))  # type: ignore[no-untyped-call]
            launch_agent(config, command, arguments)
        except ChildFailedError as error:
            self.failures = error.failures
        except Exception as error:
            self.error = error


def resolve(host: str, stop: StopRequest) -> bool:
    """Wait until the host's name is known; False when a stop was requested meanwhile.

    Raises:
        TimeoutError: it stayed unknown.
    """
    end = time.monotonic() + RESOLVE_SECONDS
    while not stop.requested:
        try:
            socket.getaddrinfo(host, None)
        except socket.gaierror as error:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"the name {host!r} of the first pod is unknown after {RESOLVE_SECONDS:g} s"
                ) from error
            time.sleep(1)
        else:
            return True
    return False


def conclude(group: GroupDirectory, launcher: Launcher) -> StepResult:
    """The pod's result from those of its workers.

    Raises:
        Exception: what the launcher itself met.
    """
    if launcher.error is not None:
        raise launcher.error
    left = dict(group.results())
    if not launcher.failures:
        return left[min(left)]
    return first_at_fault(_failed(left, launcher.failures))


def _failed(left: dict[int, StepResult], failures: dict[int, Any]) -> list[StepResult]:
    """The failed workers' results: first of those that died without a word, then in the order in which they spoke."""
    silent = [
        failure(fault_of_exit(process.exitcode, rank))
        for rank, process in failures.items()
        if rank not in left or left[rank].outcome != "Failed"
    ]
    return silent + [result for result in left.values() if result.outcome == "Failed"]
