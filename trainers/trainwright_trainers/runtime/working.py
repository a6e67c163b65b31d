"""One worker process of a distributed step: what every framework's workers do around the step itself."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime import logs
from trainwright_trainers.runtime.context import read_context
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.execution import Run
from trainwright_trainers.runtime.faults import exit_code, failure, fault_of_error
from trainwright_trainers.runtime.group import GROUP_VARIABLE, PARENT_VARIABLE, GroupDirectory
from trainwright_trainers.runtime.processes import die_with_parent
from trainwright_trainers.runtime.stop import StopRequest


def work(run: Run, lost_peer: Callable[[Exception], bool]) -> int:
    """Carry out this process' part and leave its result; gives the exit code.

    A stop on request ends with 0 here: the launcher would take any other code for a failure and kill the others,
    which may still be saving.

    Args:
        run: carries out the step.
        lost_peer: whether an error of it only says that another process is gone.
    """
    die_with_parent(int(os.environ[PARENT_VARIABLE]))
    rank = int(os.environ["RANK"])
    logs.configure(f"rank {rank}")
    group = GroupDirectory(Path(os.environ[GROUP_VARIABLE]))
    group.enter(rank)
    result = carry_out(run, lost_peer, rank, StopRequest(group.stop_marker))
    group.leave(rank, result)
    return exit_code(result) if result.outcome == "Failed" else 0


def carry_out(run: Run, lost_peer: Callable[[Exception], bool], rank: int, stop: StopRequest) -> StepResult:
    """Run the step; an error becomes a failed result."""
    step = replace(read_context(), stop=stop)
    try:
        return run(step)
    except ConfigurationError as error:
        return failure(fault_of_error(error, rank=rank), step.progress.step)
    except Exception as error:
        secondary = lost_peer(error)
        if secondary:
            logs.LOG.error("another process is gone: %s", error)
        else:
            logs.LOG.exception("rank %d failed", rank)
        return failure(fault_of_error(error, rank=rank, secondary=secondary), step.progress.step)
