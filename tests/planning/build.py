"""Jobs, child Jobs and results to plan with, made by the real builders."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trainwright.api.contract import ArtifactReference, Metrics, StepResult
from trainwright.api.job import TrainingJob
from trainwright.api.status import Condition, TrainingJobStatus
from trainwright.api.validation import load_job
from trainwright.manifests.jobs import step_job
from trainwright.manifests.site import ClusterSite
from trainwright.planning.actions import Plan
from trainwright.planning.observation import ChildJob, Observation, WorkerOutcome, read_child
from trainwright.planning.plan import plan

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SITE = ClusterSite()
UID = "a1b2c3d4-0000-4000-8000-000000000000"

TRAIN = {"name": "train", "train": {}}
PRUNE = {"name": "prune", "prune": {"method": "l1-structured", "amount": 0.5}}
INT8 = {"name": "int8", "quantize": {"scheme": "int8-static"}}
ONNX = {"name": "onnx", "export": {"format": "onnx"}}
SCRIPT = {"name": "script", "run": {"command": ["./script"]}}


def make_job(*steps: dict[str, Any], **spec: Any) -> TrainingJob:
    """A valid job with these steps, and `spec` in the object's own words, such as `runPolicy={"suspend": True}`."""
    body = {
        "apiVersion": "trainwright.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "digits", "namespace": "ns", "uid": UID, "generation": 1},
        "spec": {
            "framework": "pytorch",
            "model": {"factory": "m:model"},
            "data": {"factory": "m:data"},
            "workers": {"replicas": 2},
            "steps": list(steps or (TRAIN, PRUNE, ONNX)),
        }
        | spec,
    }
    return load_job(body)


def change(job: TrainingJob, **spec: Any) -> TrainingJob:
    """The job after its user has changed parts of the spec, as `kubectl apply` does."""
    body = job.to_dict()
    body["spec"] |= spec
    body["metadata"]["generation"] += 1
    return load_job(body)


def child(job: TrainingJob, step: int = 0, attempt: int = 1, **facts: Any) -> ChildJob:
    """The child Job of a step; `facts` are fields of `ChildJob`."""
    made = read_child(step_job(job, job.spec.steps[step], attempt, None, SITE))
    return replace(made, **{"uid": f"{made.name}-{attempt}"} | facts)


def running(job: TrainingJob, step: int = 0, attempt: int = 1, **facts: Any) -> ChildJob:
    """A child Job all of whose pods are ready."""
    size = child(job, step).size
    return child(job, step, attempt, **{"active": size, "ready": size} | facts)


def result(step: str, *, made: bool = True, reference: dict[str, float] | None = None, **metrics: float) -> StepResult:
    """A step's good result, with what was measured of its artifact."""
    measured = Metrics.model_validate(metrics)
    artifact = ArtifactReference(
        name=step,
        format="onnx" if step in ("int8", "onnx") else "safetensors",
        path=f"steps/{step}/artifact",
        size_bytes=1,
        sha256="0" * 64,
        metrics=measured,
    )
    return StepResult(
        outcome="Succeeded",
        metrics=measured,
        reference=Metrics.model_validate(reference or {}),
        artifact=artifact if made else None,
    )


def done(step: str, **metrics: float) -> tuple[WorkerOutcome, ...]:
    """The outcomes of a step that went well."""
    return (WorkerOutcome(0, 0, "Completed", result(step, **metrics)),)


def look(
    job: TrainingJob,
    *children: ChildJob,
    outcomes: dict[str, Sequence[WorkerOutcome]] | None = None,
    after: float = 0,
    **facts: Any,
) -> Plan:
    """One pass, so many seconds after NOW; `outcomes` by the name of the child."""
    by_uid = {item.uid: tuple((outcomes or {}).get(item.name, ())) for item in children if item.finished}
    seen = Observation(job, children, by_uid, **facts)
    return plan(seen, NOW + timedelta(seconds=after), SITE)


def then(job: TrainingJob, decided: Plan) -> TrainingJob:
    """The job as the next pass sees it: the status went through JSON."""
    return job.model_copy(update={"status": TrainingJobStatus.model_validate(decided.status.to_dict())})


def condition(decided: Plan, kind: str) -> Condition | None:
    """A condition of the plan's status."""
    return next((item for item in decided.status.conditions if item.type == kind), None)


def applied_jobs(decided: Plan) -> list[str]:
    """Names of the Jobs that the plan makes."""
    return [body["metadata"]["name"] for body in decided.apply if body["kind"] == "Job"]


def reasons(decided: Plan) -> list[str]:
    """The reasons of the plan's events."""
    return [event.reason for event in decided.events]
