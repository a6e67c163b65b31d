"""Keeps exactly one group of workers at the current step."""

from datetime import datetime, timedelta

from trainwright.api.contract import ArtifactReference
from trainwright.api.status import StepStatus
from trainwright.api.steps import Step
from trainwright.manifests.children import step_children
from trainwright.manifests.names import child_name
from trainwright.manifests.site import Site
from trainwright.planning.actions import Resize
from trainwright.planning.draft import Draft
from trainwright.planning.lineage import input_model, passed_over, step_input
from trainwright.planning.observation import ChildJob, Observation
from trainwright.planning.restarts import restart_time

EXPLAIN_AFTER = timedelta(seconds=5)
"""How long workers may take to start before it is looked into what they wait for; then ever more seldom."""

ENDING_TAKES = timedelta(seconds=5)
"""How long the last workers of a group may take to end before it is told that they do."""

LOOK_AT_LEAST_EVERY = timedelta(minutes=5)
"""How seldom a group that waits is looked at."""

TRY_AGAIN_AFTER = timedelta(seconds=30)
"""When objects that could not be put in place are tried again."""


def run_step(draft: Draft, seen: Observation, step: Step, site: Site) -> None:
    """Makes the step's Job, waits until it may, or reports on the one that runs.

    A new group begins only when nothing is left of any other: a Job keeps its name through all attempts, and one that
    is being deleted is there until its last pod is gone.
    """
    attempt = _due_attempt(draft.steps[step.name])
    group = next((child for child in seen.own if _is_group(draft, child, step, attempt)), None)
    draft.replicas = sum(child.active for child in seen.own if child.live)
    if group is not None and group.size != (wanted := _wanted_size(draft, step)):
        if group.bounds is not None and wanted in group.bounds:
            _resize(draft, group, wanted)
        else:
            draft.tell("Normal", "Resizing", _resizing(group, wanted))
            draft.set("Restarting", True, "Resizing", _resizing(group, wanted))
            group = None
    to_come = {other.name for other in draft.job.spec.steps if draft.steps[other.name].completion_time is None}
    in_the_way = [child for child in seen.own if child is not group and (child.live or child.step in to_come)]
    if in_the_way:
        draft.delete += [child for child in in_the_way if not child.terminating]
        names = ", ".join(child.name for child in in_the_way)
        draft.set("Running", False, "WaitingForOldWorkers", f"the last pods of an earlier group are ending: {names}")
    elif group is not None:
        _report(draft, seen, step, group)
    elif obstacle := _obstacle(draft, seen, step):
        _wait_for(draft, *obstacle)
    else:
        _begin(draft, step, attempt, site)


def _due_attempt(status: StepStatus) -> int:
    """Which attempt is due: one more than the last that failed. A suspended attempt goes on under its number."""
    return status.failures[-1].attempt + 1 if status.failures else max(status.attempts, 1)


def _is_group(draft: Draft, child: ChildJob, step: Step, attempt: int) -> bool:
    """Whether the child is the group that is due; a later attempt is, too, when the status that told of it is lost."""
    return child.name == child_name(draft.job, step) and child.attempt >= attempt and not child.terminating


def _wanted_size(draft: Draft, step: Step) -> int:
    return draft.job.spec.workers.replicas if step.distributed else 1


def _resize(draft: Draft, group: ChildJob, wanted: int) -> None:
    """Changes the size of a group that forms itself anew, unless its outcome is decided.

    It grows only once it has shrunk: a worker whose place is given back while it ends would count as failed.
    """
    shrinking = group.leaving > 0 or group.active + group.done > group.size
    if group.finished or group.ending_since is not None or (wanted > group.size and shrinking):
        return
    draft.resize.append(Resize(group, wanted))
    draft.tell("Normal", "Resizing", _resizing(group, wanted))


def _resizing(group: ChildJob, wanted: int) -> str:
    return f"the group goes from {group.size} to {wanted} workers"


def _obstacle(draft: Draft, seen: Observation, step: Step) -> tuple[str, str] | None:
    """Reason and message why the step's objects can't be put in place; none when nothing is known against it."""
    name = child_name(draft.job, step)
    if name in seen.taken_names:
        return "NameTaken", f"there is a Job {name} that is not this job's; it must go first"
    return ("ChildRefused", seen.refused) if seen.refused else None


def _wait_for(draft: Draft, reason: str, message: str) -> None:
    if not draft.says("Running", reason, message):
        draft.tell("Warning", reason, message)
    draft.set("Running", False, reason, message)
    draft.look_again_at(draft.now + TRY_AGAIN_AFTER)


def _begin(draft: Draft, step: Step, attempt: int, site: Site) -> None:
    """Makes the step's objects, unless it is too early after a failure."""
    status = draft.steps[step.name]
    if status.failures and draft.now < (moment := restart_time(status.failures)):
        draft.look_again_at(moment)
        message = f"attempt {attempt} of step {step.name} begins at {moment:%H:%M:%S} UTC"
        draft.set("Running", False, "WaitingToRestart", message)
        return
    accepted = step_input(draft.job.spec, step, draft.artifacts)
    job = draft.job.with_model(input_model(draft.job.spec, accepted, draft.artifacts))
    draft.apply += step_children(job, step, attempt, accepted.path if accepted else None, site)
    draft.update_step(step.name, attempts=attempt, start_time=status.start_time or draft.now)
    draft.look_again_at(draft.now + EXPLAIN_AFTER)
    draft.set("Running", False, "WaitingForWorkers", f"the workers of step {step.name} are starting")
    if attempt == status.attempts:
        draft.tell("Normal", "StepResumed", f"step {step.name} goes on")
    else:
        again = f", attempt {attempt}" if attempt > 1 else ""
        draft.tell("Normal", "StepStarted", f"step {step.name} begins{again}{_detour(draft, step, accepted)}")


def _detour(draft: Draft, step: Step, accepted: ArtifactReference | None) -> str:
    """Says so where a step doesn't start from the quantized model that the user may expect it to."""
    skipped = passed_over(draft.job.spec, step, draft.artifacts)
    if skipped is None or accepted is None:
        return ""
    return f" from {accepted.name}: {skipped.name} is {skipped.format}, which becomes no other format"


def _report(draft: Draft, seen: Observation, step: Step, group: ChildJob) -> None:
    """Says whether the group runs, how far it is, or what it waits for."""
    status = draft.steps[step.name]
    draft.update_step(step.name, attempts=group.attempt, start_time=status.start_time or draft.now)
    if group.ending_since is not None:
        _report_ending(draft, group, group.ending_since)
        return
    present = group.ready + group.done
    if present < group.size:
        draft.look_again_at(_next_look(draft, group))
    if present < (group.bounds.fewest if group.bounds else group.size):
        draft.set("Running", False, *_why_waiting(draft, seen, step, group))
        return
    if draft.job.status.current_step == step.name:
        draft.progress = seen.progress or draft.job.status.progress
    draft.set("Restarting", False, "Restarted", f"attempt {group.attempt} of step {step.name} is running")
    draft.set("Running", True, *_how_it_runs(draft, seen, step, group))


def _how_it_runs(draft: Draft, seen: Observation, step: Step, group: ChildJob) -> tuple[str, str]:
    """Reason and message; an elastic group runs with fewer workers than it is to have, too."""
    present = group.ready + group.done
    if draft.resize:
        return "Resizing", _resizing(group, draft.resize[-1].size)
    if present < group.size:
        message = f"step {step.name} runs on {present} of {group.size} workers"
        return "WorkersMissing", f"{message}: {seen.waiting}" if seen.waiting else message
    return "WorkersReady", f"step {step.name} runs on {group.size} workers"


def _report_ending(draft: Draft, group: ChildJob, since: datetime) -> None:
    """Most often the outcome is there in a moment, and until then what was so stays so; on a lost node it isn't."""
    if draft.now < (moment := since + ENDING_TAKES):
        draft.look_again_at(moment)
        draft.replicas, draft.progress = draft.job.status.replicas or 0, draft.job.status.progress
    else:
        draft.set(
            "Running", False, "WorkersEnding", f"the last workers of {group.name} are ending: {group.active} are left"
        )


def _next_look(draft: Draft, group: ChildJob) -> datetime:
    """Ever later: what a group waits for, such as its turn in a queue, may take hours, and thousands may wait."""
    waited = draft.now - (group.created or draft.now)
    return draft.now + min(max(waited, EXPLAIN_AFTER), LOOK_AT_LEAST_EVERY)


def _why_waiting(draft: Draft, seen: Observation, step: Step, group: ChildJob) -> tuple[str, str]:
    """Reason and message."""
    if group.suspended:
        queue = draft.job.spec.scheduling.queue_name
        who = f"queue {queue} has not admitted it yet" if queue else "somebody suspended it"
        return "Queued", f"the Job {group.name} is suspended: {who}"
    message = f"{group.ready} of {group.size} workers of step {step.name} are ready"
    return "WaitingForWorkers", f"{message}: {seen.waiting}" if seen.waiting else message
