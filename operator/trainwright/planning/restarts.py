"""Decides whether a failed step is tried again, and when."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from trainwright.api.status import FailureRecord, StepStatus
from trainwright.api.steps import Step

REPEATS = 3
"""Equal errors at the same training step, one after the other, that show that another attempt gives the same."""

KEPT_RECORDS = 10
"""Failure records that a step's status keeps. They bound the delay before a restart, too: 2 ** 8 seconds."""


def record_failure(status: StepStatus, record: FailureRecord) -> StepStatus:
    """The step's status with one more failed attempt."""
    return status.model_copy(
        update={
            "failures": [*status.failures, record][-KEPT_RECORDS:],
            "failed_attempts": status.failed_attempts + (record.cause == "Error"),
        }
    )


def give_up_reason(step: Step, status: StepStatus, permanent: bool, backoff_limit: int) -> tuple[str, str] | None:
    """Reason and message when there is to be no further attempt at a step whose last one failed; else none."""
    last = status.failures[-1]
    if permanent:
        return "InvalidConfiguration", last.message
    if last.cause == "Disruption":
        return None
    if _is_known_place(step, last) and _repeats(status.failures) >= REPEATS:
        return "RepeatedFailure", f"the same error {REPEATS} times at the same place: {last.message}"
    if status.failed_attempts > backoff_limit:
        return (
            "BackoffLimitExceeded",
            f"failed {status.failed_attempts} times (backoffLimit {backoff_limit}): {last.message}",
        )
    return None


def _is_known_place(step: Step, failure: FailureRecord) -> bool:
    """Whether equal records mean the same place: a user's own program may have come far without a word."""
    return step.run is None or failure.training_step is not None


def _repeats(failures: Sequence[FailureRecord]) -> int:
    """How many of the newest errors are equal to the last one; disruptions between them are passed over."""
    errors = [_essence(failure) for failure in reversed(failures) if failure.cause == "Error"]
    return next((count for count, error in enumerate(errors) if error != errors[0]), len(errors))


def _essence(failure: FailureRecord) -> tuple[str, int | None]:
    """What makes two errors the same: not which worker met it first, nor where in memory."""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x", re.sub(r"\b(worker|rank) \d+", r"\1", failure.message))
    return message, failure.training_step


def restart_time(failures: Sequence[FailureRecord]) -> datetime:
    """When the next attempt may begin: at once after the first failure, then later and later while nothing is gained.

    The delay doubles with each failure, back to the last one that came less far.
    """
    last = failures[-1]
    fruitless = 0
    for failure in reversed(failures[:-1]):
        if (failure.training_step or 0) < (last.training_step or 0):
            break
        fruitless += 1
    return last.time + timedelta(seconds=2 ** (fruitless - 1) if fruitless else 0)
