"""What a real API server makes of the CRD: what it accepts, refuses, fills in and lets be changed."""

import copy
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed import ApiError, Cluster, wait_until
from testbed.binaries import find_kubectl
from tests.objects.corpus import WrongObject, right_objects, wrong_objects
from trainwright.api.crd import object_schema
from trainwright.api.schema import with_defaults, without_nulls
from trainwright.api.validation import find_change_problems

REPOSITORY = Path(__file__).parents[2]
MANIFEST = REPOSITORY / "manifests/crd/trainingjobs.yaml"
Json = dict[str, Any]


class Jobs:
    """The TrainingJobs of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._client = cluster.client
        self._path = f"/apis/trainwright.dev/v1alpha1/namespaces/{namespace}/trainingjobs"

    def create(self, body: Json, **query: str) -> Json:
        return self._client.post(self._path, body, fieldValidation="Strict", **query)

    def patch(self, name: str, change: Json, subresource: str = "") -> Json:
        return self._client.patch(f"{self._path}/{name}{subresource}", change, fieldValidation="Strict")

    def scale(self, name: str) -> Json:
        return self._client.get(f"{self._path}/{name}/scale")


@pytest.fixture(scope="module")
def crd(control_plane: Cluster) -> Json:
    """The CRD in the cluster, established."""
    client = control_plane.client
    wanted = yaml.safe_load(MANIFEST.read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{wanted['metadata']['name']}"
    client.apply(path, wanted, "test")

    def conditions() -> dict[str, str]:
        found = client.get(path).get("status") or {}
        return {condition["type"]: condition["status"] for condition in found.get("conditions") or []}

    wait_until(lambda: conditions().get("Established") == "True", "the CRD is established")
    assert conditions()["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions()
    return client.get(path)


@pytest.fixture
def jobs(crd: Json, control_plane: Cluster, namespace: str) -> Jobs:
    return Jobs(control_plane, namespace)


@pytest.fixture(scope="module")
def default_jobs(crd: Json, control_plane: Cluster) -> Jobs:
    """For objects that are only tried, not kept."""
    return Jobs(control_plane, "default")


def chain() -> Json:
    return copy.deepcopy(right_objects()["chain"])


@pytest.mark.parametrize("name", right_objects())
def test_right_objects_are_accepted_and_their_defaults_filled_in(default_jobs: Jobs, name: str) -> None:
    body = right_objects()[name]
    made = default_jobs.create(body, dryRun="All")
    assert made["spec"] == with_defaults(without_nulls(body, object_schema()), object_schema())["spec"]


@pytest.mark.parametrize(
    "wrong", [wrong for wrong in wrong_objects() if wrong.server_says], ids=lambda wrong: wrong.case
)
def test_wrong_objects_are_refused(default_jobs: Jobs, wrong: WrongObject) -> None:
    assert wrong.server_says is not None
    with pytest.raises(ApiError) as refusal:
        default_jobs.create(wrong.body, dryRun="All")
    assert refusal.value.status in (400, 422)
    assert [words for words in wrong.server_says if words not in str(refusal.value)] == [], str(refusal.value)


@pytest.mark.parametrize(
    "wrong", [wrong for wrong in wrong_objects() if not wrong.server_says], ids=lambda wrong: wrong.case
)
def test_what_only_validation_finds_is_accepted(default_jobs: Jobs, wrong: WrongObject) -> None:
    default_jobs.create(wrong.body, dryRun="All")


def with_optimizer_args(args: Json) -> list[Json]:
    """The steps of the chain, with other arguments of the first one's optimizer."""
    steps: list[Json] = chain()["spec"]["steps"]
    steps[0]["train"] = {"optimizer": {"args": args}}
    return steps


FIXED: dict[str, tuple[Json, str]] = {
    "another framework": ({"framework": "tensorflow"}, "spec.framework"),
    "another seed": ({"seed": 1}, "spec.seed"),
    "another model": ({"model": {"factory": "other:model"}}, "spec.model"),
    "an argument of the model": ({"model": {"args": {"width": {"of": [16, 32]}}}}, "spec.model"),
    "an argument of the data": ({"data": {"args": {"path": "/elsewhere"}}}, "spec.data"),
    "a claim": ({"storage": {"claimName": "other"}}, "spec.storage"),
    "a manager": ({"managedBy": "kueue.x-k8s.io/multikueue"}, "spec.managedBy"),
    "fewer steps": ({"steps": chain()["spec"]["steps"][:2]}, "spec.steps"),
    "an optimizer's argument": ({"steps": with_optimizer_args({"betas": [0.9, 0.98]})}, "spec.steps"),
}


@pytest.mark.parametrize("case", FIXED)
def test_what_a_job_does_can_not_be_changed(jobs: Jobs, case: str) -> None:
    change, field = FIXED[case]
    before = chain()
    before["spec"]["steps"] = with_optimizer_args({"betas": [0.9, 0.99]})
    jobs.create(before)
    with pytest.raises(ApiError) as refusal:
        jobs.patch("chain", {"spec": change})
    assert refusal.value.status == 422
    assert f"{field}: Invalid value" in str(refusal.value)
    assert "can not be changed: make a new TrainingJob" in str(refusal.value)
    merged = {**before["spec"], **{name: merge(before["spec"].get(name), value) for name, value in change.items()}}
    assert field in [problem.path for problem in find_change_problems(before, {**before, "spec": merged})]


def merge(old: Any, change: Any) -> Any:
    return {**old, **change} if isinstance(old, dict) and isinstance(change, dict) else change


VARIABLE: dict[str, Json] = {
    "more workers": {"workers": {"replicas": 4}},
    "elasticity": {"workers": {"minReplicas": 1, "maxReplicas": 8}},
    "suspend": {"runPolicy": {"suspend": True}},
    "a deadline": {"runPolicy": {"activeDeadlineSeconds": 60}},
    "a queue": {"scheduling": {"queueName": "team-a"}},
    "the pods": {"workers": {"template": {"spec": {"nodeSelector": {"gpu": "h100"}}}}},
}


@pytest.mark.parametrize("case", VARIABLE)
def test_how_a_job_runs_can_be_changed(jobs: Jobs, case: str) -> None:
    before = jobs.create(chain())
    after = jobs.patch("chain", {"spec": VARIABLE[case]})
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert find_change_problems(before, after) == []


def test_a_change_that_changes_nothing_is_accepted(jobs: Jobs) -> None:
    body = copy.deepcopy(right_objects()["maximal"])
    del body["metadata"]["namespace"]
    del body["spec"]["model"]["args"]["nested"]["deep"]["nothing"]  # in a patch, null means: remove
    before = jobs.create(body)
    after = jobs.patch(body["metadata"]["name"], {"spec": before["spec"]})
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_the_scale_subresource_sets_the_workers_and_tells_the_live_ones(jobs: Jobs) -> None:
    jobs.create(chain())
    jobs.patch("chain", {"status": {"replicas": 1, "selector": "trainwright.dev/job-name=chain"}}, "/status")
    assert jobs.patch("chain", {"spec": {"replicas": 3}}, "/scale")["spec"] == {"replicas": 3}
    assert jobs.scale("chain")["spec"] == {"replicas": 3}
    assert jobs.scale("chain")["status"] == {"replicas": 1, "selector": "trainwright.dev/job-name=chain"}


@pytest.mark.parametrize(
    ("replicas", "words"),
    [(0, "greater than or equal to 1"), (257, "batchSize (256) counts the samples of all workers together")],
)
def test_a_scale_that_can_not_run_is_refused(jobs: Jobs, replicas: int, words: str) -> None:
    jobs.create(chain())
    with pytest.raises(ApiError, match="422") as refusal:
        jobs.patch("chain", {"spec": {"replicas": replicas}}, "/scale")
    assert words in str(refusal.value)


def test_the_status_is_a_subresource(jobs: Jobs) -> None:
    made = jobs.create({**chain(), "status": {"phase": "Complete"}})
    assert "status" not in made
    written = jobs.patch("chain", {"status": {"phase": "Running"}, "spec": {"workers": {"replicas": 9}}}, "/status")
    assert written["status"] == {"phase": "Running"}
    assert written["spec"] == made["spec"]
    assert written["metadata"]["generation"] == made["metadata"]["generation"]


def test_a_status_that_is_none_is_refused(jobs: Jobs) -> None:
    jobs.create(chain())
    with pytest.raises(ApiError, match=r"status\.phase: Unsupported value"):
        jobs.patch("chain", {"status": {"phase": "Dreaming"}}, "/status")


def test_kubectl_applies_lists_scales_and_waits(crd: Json, jobs: Jobs, control_plane: Cluster, namespace: str) -> None:
    def kubectl(*arguments: str) -> str:
        command = [str(find_kubectl()), "--namespace", namespace, *arguments]
        environment = {**os.environ, "KUBECONFIG": str(control_plane.kubeconfig())}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout

    kubectl("apply", "-f", str(REPOSITORY / "tests/objects/right/chain.yaml"))
    kubectl("scale", "tj/chain", "--replicas=2")
    condition = {"type": "Complete", "status": "True", "reason": "Done", "lastTransitionTime": "2026-01-31T12:00:00Z"}
    status = {
        "phase": "Complete",
        "currentStep": "onnx",
        "conditions": [condition],
        "progress": {"percent": 100},
        "accuracy": 0.97,
        "restarts": 1,
    }
    jobs.patch("chain", {"status": status}, "/status")
    kubectl("wait", "--for=condition=Complete", "tj/chain", "--timeout=10s")
    header, row = kubectl("get", "tj", "chain").splitlines()
    assert header.split() == ["NAME", "PHASE", "STEP", "PROGRESS", "ACCURACY", "WORKERS", "RESTARTS", "AGE"]
    assert row.split()[:5] == ["chain", "Complete", "onnx", "100", "0.97"]
    assert "Done" in kubectl("get", "tj", "chain", "-o", "wide")
    assert "trainingjob.trainwright.dev/chain" in kubectl("get", "all")
    assert "Optimizer steps between two checkpoints" in kubectl("explain", "tj.spec.steps.train.checkpoint.everySteps")
