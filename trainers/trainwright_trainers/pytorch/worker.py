"""One process of a distributed step: `python -m trainwright_trainers.pytorch.worker`, started by the launcher."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime import logs
from trainwright_trainers.runtime.context import read_context
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.faults import exit_code, failure, fault_of_error
from trainwright_trainers.runtime.group import GROUP_VARIABLE, PARENT_VARIABLE, GroupDirectory
from trainwright_trainers.runtime.processes import die_with_parent
from trainwright_trainers.runtime.stop import StopRequest


def main() -> int:
    """Carry out this process' part and leave its result; gives the exit code.

    A stop on request ends with 0 here: the launcher would take any other code for a failure and kill the others,
    which may still be saving.
    """
    die_with_parent(int(os.environ[PARENT_VARIABLE]))
    rank = int(os.environ["RANK"])
    logs.configure(f"rank {rank}")
    group = GroupDirectory(Path(os.environ[GROUP_VARIABLE]))
    group.enter(rank)
    result = carry_out(rank, StopRequest(group.stop_marker))
    group.leave(rank, result)
    return exit_code(result) if result.outcome == "Failed" else 0


def carry_out(rank: int, stop: StopRequest) -> StepResult:
    """Run the step; an error becomes a failed result."""
    step = replace(read_context(), stop=stop)
    try:
        from trainwright_trainers.pytorch.steps import find_run

        return find_run(step)(step)
    except ConfigurationError as error:
        return failure(fault_of_error(error, rank=rank), step.progress.step)
    except Exception as error:
        from trainwright_trainers.pytorch.processes import lost_peer

        secondary = lost_peer(error)
        if secondary:
            logs.LOG.error("another process is gone: %s", error)
        else:
            logs.LOG.exception("rank %d failed", rank)
        return failure(fault_of_error(error, rank=rank, secondary=secondary), step.progress.step)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without torch's destructors, which wait for what other processes no longer send, or abort.
    os._exit(code)
