"""What a pass decides to do, and what whoever carries it out owes it.

The order is: apply, write the status, resize, delete, tell. A plan that is cut short anywhere is made good by the next
pass. For that to hold, an object is put in place only where there is none of its name: one that is there is left as it
is. The status is written only over the one that was observed, and a Job is deleted in the foreground, and only if it
still is the one that was observed; the same holds for the one that is resized.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from trainwright.api.status import TrainingJobStatus
from trainwright.planning.observation import ChildJob


@dataclass(frozen=True)
class Event:
    """Something a person who follows the job wants to know, once."""

    kind: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Resize:
    """A child Job that is given another number of workers, while the others run on.

    Attributes:
        child: the Job.
        size: its completions and its parallelism from now on.
    """

    child: ChildJob
    size: int


@dataclass(frozen=True)
class Plan:
    """All that follows from one observation.

    Attributes:
        status: the job's status from now on.
        apply: objects to be put in place, in order, before the status is written.
        resize: child Jobs to be resized, after the status is written.
        delete: child Jobs to be deleted, with their pods, after the status is written, so that no outcome is lost.
        delete_job: the TrainingJob itself has outlived its time.
        events: to be sent after the status is written.
        look_again: when to look again even if nothing is heard; never when none.
        ask: finished child Jobs whose workers' outcomes must be read before anything can be decided; the rest of the
            plan is then empty.
    """

    status: TrainingJobStatus
    apply: tuple[dict[str, Any], ...] = ()
    resize: tuple[Resize, ...] = ()
    delete: tuple[ChildJob, ...] = ()
    delete_job: bool = False
    events: tuple[Event, ...] = ()
    look_again: datetime | None = None
    ask: tuple[ChildJob, ...] = field(default=())
