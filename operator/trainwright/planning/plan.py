"""One pass over one job: from what is seen to what is done next.

Level-triggered: the same observation gives the same plan, at any moment and on any replica, and a pass that is cut
short anywhere is made good by the next one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from trainwright.manifests.site import Site
from trainwright.planning.actions import Plan
from trainwright.planning.cleanup import clean_up
from trainwright.planning.draft import Draft
from trainwright.planning.execution import run_step
from trainwright.planning.observation import ChildJob, Observation
from trainwright.planning.results import is_recorded, take_outcome
from trainwright.planning.suspension import resume, suspend

MANAGER = "trainwright.dev/operator"
"""The value of `spec.managedBy` that means us, as no value does; with any other, another controller has the job."""


def plan(seen: Observation, now: datetime, site: Site) -> Plan:
    """Decides what follows from an observation.

    Args:
        seen: the job, its children and what is known of their workers. The job has passed validation.
        now: the time, with a time zone.
        site: where the child objects are made for.

    Returns:
        The plan. When it asks for outcomes, observe again with them before anything else is done.
    """
    if seen.deleting or seen.job.spec.managed_by not in (None, MANAGER):
        return Plan(status=seen.job.status)  # what belongs to a deleted job is collected through its owner references
    draft = Draft.of(seen.job, now.replace(microsecond=0))  # the status has whole seconds
    if not draft.finished:
        ended = [child for child in seen.own if _is_news(draft, child)]
        if any(child.uid not in seen.outcomes for child in ended):
            return Plan(status=seen.job.status, ask=tuple(ended))
        _take_in(draft, seen, ended)
    if not draft.finished:
        _go_on(draft, seen, site)
    if draft.finished:
        clean_up(draft, seen.own)
    return draft.plan()


def _is_news(draft: Draft, child: ChildJob) -> bool:
    return child.finished and not child.terminating and not is_recorded(draft, child)


def _take_in(draft: Draft, seen: Observation, ended: Sequence[ChildJob]) -> None:
    """Records how finished children ended, from the current step on for as long as there are any."""
    for step in draft.job.spec.steps:
        for child in ended:
            if child.step == step.name and step == draft.current_step and not draft.finished:
                take_outcome(draft, step, child, seen.outcomes[child.uid])


def _go_on(draft: Draft, seen: Observation, site: Site) -> None:
    """Brings the job one stride nearer to its end, or to rest while it is suspended."""
    policy = draft.job.spec.run_policy
    step = draft.current_step
    if step is None:
        draft.end("Complete", "StepsDone", _summary(draft))
    elif policy.suspend:
        suspend(draft, seen.own)
    else:
        resume(draft)
        if _deadline_passed(draft):
            seconds = policy.active_deadline_seconds
            draft.end("Failed", "DeadlineExceeded", f"step {step.name} was not done within {seconds} s")
        else:
            run_step(draft, seen, step, site)


def _summary(draft: Draft) -> str:
    rolled_back = [name for name, status in draft.steps.items() if status.state == "RolledBack"]
    kept = f", {', '.join(rolled_back)} rolled back" if rolled_back else ""
    return f"all {len(draft.steps)} steps are done{kept}"


def _deadline_passed(draft: Draft) -> bool:
    """Whether the job is out of time; if it is not yet, it is looked at again when it will be."""
    seconds = draft.job.spec.run_policy.active_deadline_seconds
    if seconds is None or draft.start_time is None:
        return False
    deadline = draft.start_time + timedelta(seconds=seconds)
    if draft.now < deadline:
        draft.look_again_at(deadline)
    return draft.now >= deadline
