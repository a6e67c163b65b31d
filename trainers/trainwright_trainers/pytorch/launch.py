"""The group of processes of a distributed step: torchrun's own launcher, run in the pod's entry point.

It is configured as torchrun is, by the PET_* variables (https://docs.pytorch.org/docs/stable/elastic/run.html).
"""

import logging
import os
import tempfile
import threading
import time
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import launch_agent
from torch.distributed.run import config_from_args, parse_args

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.group import GROUP_VARIABLE, PARENT_VARIABLE, GroupDirectory
from trainwright_trainers.runtime.losses import LAUNCHED_VARIABLE
from trainwright_trainers.runtime.peers import resolve

WORKER = "trainwright_trainers.pytorch.worker"
POLL_SECONDS = 0.1


def run(step: StepContext) -> StepResult:
    """Run the step's worker processes of this pod; gives the result of the lowest rank, or the first fault."""
    with tempfile.TemporaryDirectory(prefix="trainwright-") as path:
        group = GroupDirectory(Path(path))
        os.environ[GROUP_VARIABLE] = path
        os.environ[PARENT_VARIABLE] = str(os.getpid())
        os.environ[LAUNCHED_VARIABLE] = str(time.time())
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


def conclude(group: GroupDirectory, launcher: Launcher) -> StepResult:
    """The pod's result from those of its workers.

    Raises:
        Exception: what the launcher itself met.
    """
    if launcher.error is not None:
        raise launcher.error
    return group.conclude({rank: process.exitcode for rank, process in launcher.failures.items()})
