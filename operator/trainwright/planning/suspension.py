"""Stops a job for now, and lets it go on."""

from collections.abc import Sequence

from trainwright.planning.conditions import is_true
from trainwright.planning.draft import Draft
from trainwright.planning.observation import ChildJob


def suspend(draft: Draft, children: Sequence[ChildJob]) -> None:
    """Stops the workers, who save a checkpoint, and holds no pods from then on.

    The attempt is not over: it goes on under its number when the job is resumed.
    """
    live = [child for child in children if child.live]
    draft.delete += [child for child in live if not child.terminating]
    draft.stopping = bool(live)
    draft.replicas = sum(child.active for child in live)
    if live:
        draft.set("Running", False, "Suspending", "the workers save a checkpoint and stop")
        return
    draft.start_time = None
    for other in ("Running", "Restarting"):
        draft.set(other, False, "Suspended")
    if not is_true(draft.conditions, "Suspended"):
        draft.tell("Normal", "Suspended", "the job holds no pods; it will go on from its last checkpoint")
    draft.set("Suspended", True, "Suspended", "runPolicy.suspend is true")


def resume(draft: Draft) -> None:
    """Lets the job go on; activeDeadlineSeconds counts from here, as it does for Kubernetes' own Jobs."""
    if is_true(draft.conditions, "Suspended"):
        draft.set("Suspended", False, "Resumed", "runPolicy.suspend is false")
        draft.tell("Normal", "Resumed", "the job goes on")
    draft.start_time = draft.start_time or draft.now
