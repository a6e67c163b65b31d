"""The conditions of a job, and the one word that is made from them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from trainwright.api.status import Condition, Phase

ConditionType = Literal["Running", "Restarting", "Suspended", "Complete", "Failed"]


def is_true(conditions: Sequence[Condition], kind: ConditionType) -> bool:
    """Whether the condition is there and true."""
    return any(condition.type == kind and condition.status == "True" for condition in conditions)


def is_finished(conditions: Sequence[Condition]) -> bool:
    """Whether the job has come to its end; nothing changes that."""
    return is_true(conditions, "Complete") or is_true(conditions, "Failed")


def set_condition(
    conditions: Sequence[Condition],
    kind: ConditionType,
    holds: bool,
    reason: str,
    message: str,
    now: datetime,
    generation: int,
) -> list[Condition]:
    """The conditions with this one set; the time of the last transition moves only when the truth of it changes.

    One that never was true is not mentioned when it is false, but for Running: why nothing runs yet is the first
    thing that people ask.
    """
    status: Literal["True", "False"] = "True" if holds else "False"
    before = next((condition for condition in conditions if condition.type == kind), None)
    if before is None and not holds and kind != "Running":
        return list(conditions)
    unchanged = before is not None and before.status == status
    condition = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=before.last_transition_time if before and unchanged else now,
        observed_generation=generation,
    )
    if before is None:
        return [*conditions, condition]
    return [condition if item.type == kind else item for item in conditions]


def phase_of(conditions: Sequence[Condition], stopping: bool) -> Phase:
    """One word for people. `stopping`: the job is to be suspended, and some of its pods are still there."""
    if is_true(conditions, "Failed"):
        return "Failed"
    if is_true(conditions, "Complete"):
        return "Complete"
    if stopping:
        return "Suspending"
    if is_true(conditions, "Suspended"):
        return "Suspended"
    if is_true(conditions, "Restarting"):
        return "Restarting"
    return "Running" if is_true(conditions, "Running") else "Pending"
