"""From an error, or from how a process died, to the words and the exit code that the operator decides by."""

import signal
from collections.abc import Iterable
from datetime import UTC, datetime

from trainwright.api.contract import EXIT_BAD_CONFIGURATION, EXIT_DONE, EXIT_STOPPED, Fault, StepResult
from trainwright_trainers.runtime.errors import ConfigurationError

EXIT_ERROR = 1
"""Any error that a further attempt may not meet."""
MESSAGE_LIMIT = 1500
"""Characters of a fault's message."""


def fault_of_error(error: BaseException, *, rank: int | None = None, secondary: bool = False) -> Fault:
    """What an exception says, on one line.

    Args:
        error: what was raised.
        rank: the rank of the process that raised it.
        secondary: whether it only follows from another process' failure.
    """
    message = " ".join(str(error).split()) or type(error).__name__
    return Fault(
        kind=type(error).__name__,
        message=message[:MESSAGE_LIMIT],
        rank=rank,
        exit_code=EXIT_BAD_CONFIGURATION if isinstance(error, ConfigurationError) else EXIT_ERROR,
        secondary=secondary,
        time=datetime.now(UTC),
    )


def fault_of_exit(code: int, rank: int) -> Fault:
    """What is known of a process that left no word.

    Args:
        code: as `subprocess` has it: the exit code, or the signal's number negated.
        rank: the rank of the process.
    """
    now = datetime.now(UTC)
    if code >= 0:
        words = f"rank {rank} ended with exit code {code} and left no word"
        return Fault(kind="ExitCode", message=words, rank=rank, exit_code=code, time=now)
    name = signal.Signals(-code).name
    hint = "; it may have run out of memory" if name == "SIGKILL" else ""
    return Fault(
        kind=name,
        message=f"rank {rank} was ended by {name}{hint}",
        rank=rank,
        exit_code=128 - code,
        # The launcher ends a group's other processes so when one of them has failed.
        secondary=name == "SIGTERM",
        time=now,
    )


def failure(fault: Fault, training_step: int | None = None) -> StepResult:
    """The result of a step that failed."""
    return StepResult(outcome="Failed", fault=fault, training_step=training_step)


def first_at_fault(results: Iterable[StepResult]) -> StepResult:
    """Of failed results in the order in which they came, the first that doesn't follow from another, else the first."""

    def follows(result: StepResult) -> bool:
        return result.fault is not None and result.fault.secondary

    return min(results, key=follows)


def exit_code(result: StepResult) -> int:
    """The exit code that says what the result says."""
    if result.outcome == "Failed":
        code = result.fault.exit_code if result.fault is not None else None
        return code or EXIT_ERROR
    return EXIT_STOPPED if result.outcome == "Stopped" else EXIT_DONE
