"""The group of processes of a distributed step: torchrun's own launcher, run in the pod's entry point.

It is configured as torchrun is, by the PET_* variables (https://docs.pytorch.org/docs/stable/elastic/run.html).
"""

import itertools
import logging
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import launch_agent
from torch.distributed.run import config_from_args, parse_args

from trainwright.api.contract import ELASTIC_RENDEZVOUS, StepResult
from trainwright_trainers.pytorch.processes import lost_peer
from trainwright_trainers.pytorch.rendezvous import ElasticRendezvous
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.faults import failure, fault_of_error
from trainwright_trainers.runtime.group import GROUP_VARIABLE, PARENT_VARIABLE, GroupDirectory
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.losses import COUNTED_VARIABLE, LAUNCHED_VARIABLE
from trainwright_trainers.runtime.peers import resolve
from trainwright_trainers.runtime.stop import StopRequest

WORKER = "trainwright_trainers.pytorch.worker"
POLL_SECONDS = 0.1
STOP_FOLLOWS_SECONDS = 30.0
"""How long after worker 0 a worker may be asked to stop: Kubernetes ends a group's pods one after the other."""


def run(step: StepContext) -> StepResult:
    """Run the step's worker processes of this pod; gives the result of the lowest rank, or the first fault."""
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    config, _, _ = _configuration()
    elastic = config.rdzv_backend == ELASTIC_RENDEZVOUS
    host = config.rdzv_endpoint.rpartition(":")[0] if elastic else os.environ.get("PET_MASTER_ADDR", "127.0.0.1")
    if not resolve(host, step.stop):
        return StepResult(outcome="Stopped")
    with tempfile.TemporaryDirectory(prefix="trainwright-") as path:
        if elastic:
            return run_rounds(step, Path(path), ElasticRendezvous.of(config))
        return run_round(step, Path(path))


def run_rounds(step: StepContext, path: Path, rendezvous: ElasticRendezvous) -> StepResult:
    """Run the workers of this pod in one round of the group after the other, until the step ends.

    Where a worker is to come or to go, the processes of all save and stop, as they do on request; those that nobody
    asked go on in the next round.
    """
    for number in itertools.count():
        directory = path / str(number)
        directory.mkdir()
        try:
            result = run_round(step, directory, rendezvous)
        except Exception as error:
            if not lost_peer(error):
                raise
            if follows_soon(step.stop):
                return StepResult(outcome="Stopped")
            return failure(fault_of_error(error, secondary=True))
        if result.outcome != "Stopped":
            return result
        if step.stop.requested:
            rendezvous.leave()
            return result
        os.environ[COUNTED_VARIABLE] = str(time.time())
        LOG.info("the group changes its size at optimizer step %s", result.training_step)
    raise AssertionError("unreachable")


def run_round(step: StepContext, directory: Path, rendezvous: ElasticRendezvous | None = None) -> StepResult:
    """Run the workers of this pod to their end.

    Args:
        step: the step.
        directory: an empty one, for what the processes of this pod tell each other.
        rendezvous: of an elastic group.

    Raises:
        Exception: what the launcher itself met.
    """
    group = GroupDirectory(directory)
    os.environ[GROUP_VARIABLE] = str(directory)
    os.environ[LAUNCHED_VARIABLE] = str(time.time())
    launcher = Launcher()
    launcher.start()
    while launcher.is_alive():
        launcher.join(POLL_SECONDS)
        group.end_hung()
        if step.stop.requested:
            group.stop_marker.touch()
            if not group.started and (rendezvous is None or rendezvous.leave()):
                return StepResult(outcome="Stopped")  # it waits for the others; there is nothing to save
        elif rendezvous is not None and group.started and rendezvous.newcomers_wait():
            group.stop_marker.touch()
    return conclude(group, launcher)


def follows_soon(stop: StopRequest) -> bool:
    """Whether this pod is asked to stop within a while."""
    end = time.monotonic() + STOP_FOLLOWS_SECONDS
    while not stop.requested and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return stop.requested


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
            launch_agent(*_configuration())
        except ChildFailedError as error:
            self.failures = error.failures
        except Exception as error:
            self.error = error


def _configuration() -> tuple[Any, Any, list[str]]:
    """What torchrun would run, and how: its configuration, the command and the command's arguments."""
    found: tuple[Any, Any, list[str]] = config_from_args(parse_args(["--module", WORKER]))  # type: ignore[no-untyped-call]
    return found


def conclude(group: GroupDirectory, launcher: Launcher) -> StepResult:
    """The pod's result from those of its workers.

    Raises:
        Exception: what the launcher itself met.
    """
    if launcher.error is not None:
        raise launcher.error
    return group.conclude({rank: process.exitcode for rank, process in launcher.failures.items()})
