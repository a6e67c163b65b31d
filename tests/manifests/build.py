"""Jobs to make child objects of."""

from pathlib import Path
from typing import Any

from trainwright.api.job import TrainingJob
from trainwright.api.loading import read_manifests
from trainwright.api.steps import Step
from trainwright.api.validation import load_job
from trainwright.manifests.children import step_children
from trainwright.manifests.site import ClusterSite

EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "digits-pytorch.yaml"
UID = "a1b2c3d4-0000-4000-8000-000000000000"
SCRIPT = {"name": "script", "run": {"command": ["./script"]}}

Object = dict[str, Any]


def example() -> TrainingJob:
    """The example that everybody starts with, as the API server hands it out."""
    (body,) = read_manifests(EXAMPLE)
    body["metadata"] |= {"uid": UID, "namespace": "ns"}
    return load_job(body)


def make_job(*, container: Object | None = None, pod: Object | None = None, **spec: Any) -> TrainingJob:
    """A valid job with one user's program; `container` is the user's part of the trainer, `pod` of the pods' spec."""
    template: Object = {"spec": {**(pod or {})}}
    if container is not None:
        template["spec"]["containers"] = [{"name": "trainer", **container}, *template["spec"].get("containers", [])]
    spec.setdefault("workers", {"replicas": 2})
    spec["workers"] = {"template": template} | spec["workers"]
    return load_job(
        {
            "apiVersion": "trainwright.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "digits", "namespace": "ns", "uid": UID},
            "spec": {"framework": "pytorch", "steps": [SCRIPT]} | spec,
        }
    )


def children(job: TrainingJob, step: Step | None = None, input_path: str | None = None) -> dict[str, Object]:
    """The child objects of a step, by kind."""
    made = step_children(job, step or job.spec.steps[0], 1, input_path, ClusterSite())
    by_kind = {body["kind"]: body for body in made}
    assert len(by_kind) == len(made)
    return by_kind


def pod_of(job: TrainingJob, step: Step | None = None) -> Object:
    """The spec of a step's pods."""
    return children(job, step)["Job"]["spec"]["template"]["spec"]


def trainer_of(job: TrainingJob, step: Step | None = None) -> Object:
    """The container of a step's pods that runs the step."""
    first = pod_of(job, step)["containers"][0]
    assert first["name"] == "trainer"
    return first


def environment_of(job: TrainingJob, step: Step | None = None) -> dict[str, str]:
    """The container's variables that have a plain value."""
    return {item["name"]: item["value"] for item in trainer_of(job, step)["env"] if "value" in item}
