"""Takes in what finished children report: results are held to their gates, failures lead to another attempt or none."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from trainwright.api.contract import ArtifactReference, Metrics, StepResult
from trainwright.api.status import FailureRecord
from trainwright.api.steps import Step
from trainwright.manifests.names import output_directory
from trainwright.planning.draft import Draft
from trainwright.planning.failures import Failure, classify
from trainwright.planning.gates import decide_gate
from trainwright.planning.lineage import gate_reference, step_input
from trainwright.planning.observation import ChildJob, WorkerOutcome
from trainwright.planning.restarts import give_up_reason, record_failure

_NEED_NO_ARTIFACT = frozenset({"evaluate", "profile", "run"})


def is_recorded(draft: Draft, child: ChildJob) -> bool:
    """Whether the status already tells how this attempt ended."""
    status = draft.steps.get(child.step)
    return status is None or (
        status.completion_time is not None or any(failure.attempt >= child.attempt for failure in status.failures)
    )


def take_outcome(draft: Draft, step: Step, child: ChildJob, outcomes: Sequence[WorkerOutcome]) -> None:
    """Records how a finished attempt ended, and what follows from it.

    Args:
        draft: the pass.
        step: the current step.
        child: its Job, which is finished.
        outcomes: how the Job's workers ended, as far as their pods are still there.
    """
    status = draft.steps[step.name]
    draft.update_step(
        step.name, attempts=max(status.attempts, child.attempt), start_time=status.start_time or draft.now
    )
    if child.failed:
        _take_failure(draft, step, classify(child, outcomes, draft.now))
        return
    first = next((item for item in outcomes if item.index == 0), WorkerOutcome(index=0))
    flaw = _flaw(step, first)
    if flaw is None:
        _take_success(draft, step, first.result or StepResult(outcome="Succeeded"))
    else:
        lost = first.exit_code is None
        record = FailureRecord(
            attempt=child.attempt,
            time=draft.now,
            cause="Disruption" if lost else "Error",
            message=flaw,
            reason="ResultLost" if lost else "BadResult",
        )
        _take_failure(draft, step, Failure(record))


def _flaw(step: Step, outcome: WorkerOutcome) -> str | None:
    """Why the result of a worker that ended well can't be used; none when it can."""
    result = outcome.result
    if result is None:
        if step.run is not None:
            return None
        return (
            "worker 0 ended well, but its pod is gone, and its result with it"
            if outcome.exit_code is None
            else ("worker 0 ended well, but left no result as its termination message")
        )
    if result.outcome != "Succeeded":
        return f"worker 0 ended with exit code 0, but its result says {result.outcome}"
    if result.artifact is None:
        return None if step.kind in _NEED_NO_ARTIFACT else "worker 0 ended well, but its result names no artifact"
    if result.artifact.name != step.name:
        return f"the result names an artifact of step {result.artifact.name}; expected one of step {step.name}"
    path, home = PurePosixPath(result.artifact.path), output_directory(step)
    if not path.is_relative_to(home) or ".." in path.parts:
        return f"the result names an artifact in {path}; expected it in {home}"
    return None


def _take_success(draft: Draft, step: Step, result: StepResult) -> None:
    """Accepts the step's result, or does what its gate says on a miss."""
    draft.update_step(
        step.name,
        completion_time=draft.now,
        metrics=result.metrics,
        artifact=result.artifact,
        notes=result.notes,
    )
    progress = draft.job.status.progress
    if lost := result.lost or (progress.lost if progress else None):
        draft.update_step(step.name, lost=lost)
    draft.set("Restarting", False, "StepDone", f"step {step.name} is done")
    for note in result.notes:
        draft.tell("Warning", "TrainerNote", f"step {step.name}: {note}")
    if step.gate is None:
        _accept(draft, step, result.artifact, "")
        return
    gate = decide_gate(step.gate, result.metrics, _reference(draft, step, result))
    draft.update_step(step.name, gate=gate)
    if gate.passed:
        _accept(draft, step, result.artifact, f": {gate.message}")
    elif step.gate.on_miss == "Warn":
        draft.tell("Warning", "GateMissed", f"step {step.name} is accepted though it missed its gate: {gate.message}")
        _accept(draft, step, result.artifact, "")
    elif step.gate.on_miss == "Rollback":
        draft.update_step(step.name, state="RolledBack")
        kept = draft.artifacts[-1].name if draft.artifacts else "nothing"
        draft.tell("Warning", "RolledBack", f"step {step.name} missed its gate, {kept} is kept: {gate.message}")
    else:
        draft.end("Failed", "GateMissed", f"step {step.name} missed its gate: {gate.message}")


def _accept(draft: Draft, step: Step, artifact: ArtifactReference | None, why: str) -> None:
    draft.update_step(step.name, state="Succeeded")
    if artifact is not None:
        draft.artifacts.append(artifact)
    draft.tell("Normal", "StepSucceeded", f"step {step.name} is done{why}")


def _reference(draft: Draft, step: Step, result: StepResult) -> Metrics:
    """The metrics that the gate compares with.

    Where that is the step's own input, those that the step measured anew beside its own win: a ratio of times is only
    right when both were taken in one process.
    """
    artifact = gate_reference(draft.job.spec, step, draft.artifacts)
    known = artifact.metrics if artifact else Metrics()
    if artifact != step_input(draft.job.spec, step, draft.artifacts):
        return known
    return known.model_copy(update=result.reference.model_dump(exclude_none=True, by_alias=False))


def _take_failure(draft: Draft, step: Step, failure: Failure) -> None:
    """Records the failed attempt; ends the job when another one would give the same."""
    record = failure.record
    status = record_failure(draft.steps[step.name], record)
    draft.steps[step.name] = status
    verdict = give_up_reason(step, status, failure.permanent, draft.job.spec.run_policy.backoff_limit)
    if verdict is not None:
        reason, message = verdict
        draft.end("Failed", reason, f"step {step.name}: {message}")
        return
    reason = "WorkerDisrupted" if record.cause == "Disruption" else "WorkerFailed"
    draft.tell("Warning", reason, f"step {step.name}, attempt {record.attempt}: {record.message}")
    draft.set("Restarting", True, reason, record.message)
    draft.set("Running", False, reason, record.message)
