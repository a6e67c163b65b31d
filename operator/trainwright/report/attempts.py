"""The attempts at a step: when each began and ended, how, and what of it was lost."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from trainwright.api.status import FailureRecord, StepStatus
from trainwright.report.files import number, time


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step; times are seconds since the epoch.

    Attributes:
        number: from 1, in the order in which they began.
        began: when its first process did.
        ended: when it was over; None when that isn't known, as of one that runs.
        outcome: `Succeeded`, `Failed`, `Stopped` or, when it isn't over as far as is known, `Running`.
        message: why it failed.
        resumed_at: optimizer step that it went on from; None when it began at the beginning.
        reformed: how often its workers met anew in place, as when their number changes.
        undone_steps: optimizer steps that it did again, as far as those were recorded.
        undone_seconds: how long those had taken.
    """

    number: int
    began: float
    ended: float | None = None
    outcome: str = "Running"
    message: str = ""
    resumed_at: int | None = None
    reformed: int = 0
    undone_steps: int = 0
    undone_seconds: float = 0.0


def read_attempts(events: Iterable[dict[str, Any] | None], status: StepStatus) -> list[Attempt]:
    """The attempts that a step's journal tells of, completed from the status; from the status alone without one.

    A journal has no end of an attempt whose first pod was killed as a whole.
    """
    told = _from_journal(events) or _from_status(status)
    failures = list(status.failures)
    return [
        _completed(attempt, following, _take_failure(attempt, following, failures), status)
        for attempt, following in zip_longest(told, told[1:])
    ]


def _from_journal(events: Iterable[dict[str, Any] | None]) -> list[Attempt]:
    attempts: list[Attempt] = []
    for event in events:
        moment = time(event.get("time")) if event else None
        if event is None or moment is None:
            continue
        if event.get("event") == "started":
            attempts.append(Attempt(len(attempts) + 1, moment))
        elif event.get("event") == "resumed" and attempts:
            attempts[-1] = _resumed(attempts[-1], event)
        elif event.get("event") == "ended" and attempts:
            outcome = event.get("outcome")
            attempts[-1] = replace(
                attempts[-1],
                ended=max(moment, attempts[-1].began),
                outcome=outcome if outcome in ("Succeeded", "Failed", "Stopped") else "Failed",
                message=str(event.get("message") or ""),
            )
    return attempts


def _resumed(attempt: Attempt, event: dict[str, Any]) -> Attempt:
    """The attempt after it went on from a checkpoint: at its beginning, or later when its workers met anew."""
    begins = attempt.number > 1 and attempt.resumed_at is None
    return replace(
        attempt,
        resumed_at=int(number(event.get("step")) or 0) if begins else attempt.resumed_at,
        reformed=attempt.reformed + (not begins),
        undone_steps=attempt.undone_steps + int(number(event.get("undoneSteps")) or 0),
        undone_seconds=attempt.undone_seconds + (number(event.get("undoneSeconds")) or 0.0),
    )


def _from_status(status: StepStatus) -> list[Attempt]:
    """One attempt after the other, each from the end of the one before: when it really began isn't in the status."""
    if status.start_time is None:
        return []
    attempts: list[Attempt] = []
    began = status.start_time.timestamp()
    for failure in status.failures:
        ended = failure.time.timestamp()
        attempts.append(Attempt(len(attempts) + 1, began, ended, "Failed", failure.message))
        began = ended
    if status.state != "Failed" or not attempts:
        attempts.append(Attempt(len(attempts) + 1, began))
    return attempts


def _take_failure(attempt: Attempt, following: Attempt | None, failures: list[FailureRecord]) -> FailureRecord | None:
    """The attempt's own failure, taken from those that are left; their times are whole seconds."""
    until = following.began + 1 if following else float("inf")
    if attempt.outcome == "Succeeded":
        return None
    own = next((item for item in failures if attempt.began - 1 < item.time.timestamp() <= until), None)
    if own is not None:
        failures.remove(own)
    return own


def _completed(
    attempt: Attempt, following: Attempt | None, failure: FailureRecord | None, status: StepStatus
) -> Attempt:
    """The attempt with an end, and why it failed in the status' fuller words."""
    if failure is not None:
        ended = failure.time.timestamp() if attempt.ended is None else attempt.ended
        return replace(attempt, ended=max(ended, attempt.began), outcome="Failed", message=failure.message)
    if attempt.outcome != "Running":
        return attempt
    if following is not None:
        return replace(attempt, ended=following.began, outcome="Failed", message="it ended without a word")
    if status.completion_time is not None:
        outcome = "Failed" if status.state == "Failed" else "Succeeded"
        return replace(attempt, ended=max(status.completion_time.timestamp(), attempt.began), outcome=outcome)
    return attempt
