"""What becomes of an object that can't run: it fails at once, and says all that is wrong with it."""

from collections.abc import Sequence
from datetime import datetime

from trainwright.api.problems import Problem
from trainwright.api.status import TrainingJobStatus
from trainwright.planning.actions import Event, Plan
from trainwright.planning.conditions import is_finished, set_condition
from trainwright.planning.observation import ChildJob

REASON = "InvalidSpec"

_MESSAGE_LIMIT = 4000
"""Characters of the condition's message: an object can be wrong in thousands of places."""


def reject(
    status: TrainingJobStatus,
    generation: int,
    problems: Sequence[Problem],
    now: datetime,
    children: Sequence[ChildJob] = (),
) -> Plan:
    """Fails a job whose object is invalid, for good; one that was finished before stays as it is.

    Args:
        status: the object's last status.
        generation: the object's generation.
        problems: all that is wrong, at least one.
        now: the time, with a time zone.
        children: the job's child Jobs, if it ran before it became invalid: those that are live are stopped.
    """
    live = [child for child in children if child.live]
    doomed = tuple(child for child in live if not child.terminating)
    if is_finished(status.conditions):
        return Plan(status=status, delete=doomed)
    now = now.replace(microsecond=0)
    message = "\n".join(map(str, problems))
    message = message if len(message) <= _MESSAGE_LIMIT else f"{message[: _MESSAGE_LIMIT - 1]}…"
    conditions = status.conditions
    for kind in ("Running", "Restarting", "Suspended"):
        conditions = set_condition(conditions, kind, False, REASON, "the object can not run", now, generation)
    changes = {
        "phase": "Failed",
        "conditions": set_condition(conditions, "Failed", True, REASON, message, now, generation),
        "observed_generation": generation,
        "current_step": None,
        "progress": None,
        "completion_time": now,
        "replicas": sum(child.active for child in live),
    }
    event = Event("Warning", REASON, message)
    return Plan(status=status.model_copy(update=changes), delete=doomed, events=(event,))
