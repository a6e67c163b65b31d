"""Pods on fake nodes go through what pods on real ones go through."""

from typing import Any

import pytest

from testbed import ApiClient, Cluster, wait_until
from testbed.fakes import end_pod, ending, stopping

pytestmark = pytest.mark.usefixtures("fake_nodes")


@pytest.fixture
def client(control_plane: Cluster) -> ApiClient:
    return control_plane.client


def indexed_job(
    name: str, replicas: int, annotations: dict[str, str] | None = None, gpus: int = 0, **spec: Any
) -> dict[str, Any]:
    container = {
        "name": "trainer",
        "image": "trainer",
        "resources": {"limits": {"nvidia.com/gpu": gpus}} if gpus else {},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": replicas,
            "parallelism": replicas,
            "template": {"metadata": {"annotations": annotations or {}}, "spec": pod},
            **spec,
        },
    }


def create(client: ApiClient, namespace: str, job: dict[str, Any]) -> None:
    client.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", job)


def pods(client: ApiClient, namespace: str, phase: str = "") -> list[dict[str, Any]]:
    items = client.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [pod for pod in items if phase in ("", pod["status"]["phase"])]


def running(client: ApiClient, namespace: str, count: int) -> list[dict[str, Any]]:
    def all_run() -> list[dict[str, Any]]:
        found = pods(client, namespace, "Running")
        return found if len(found) == count else []

    return wait_until(all_run, f"{count} pods run")


def job_condition(client: ApiClient, namespace: str, name: str, kind: str) -> dict[str, Any]:
    def condition() -> dict[str, Any]:
        status = client.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")["status"]
        return next((entry for entry in status.get("conditions", []) if entry["type"] == kind), {})

    return wait_until(condition, f"job {name} is {kind}")


def terminated(pod: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


def test_pods_of_an_indexed_job_run_until_they_are_told_to_end(client: ApiClient, namespace: str) -> None:
    create(client, namespace, indexed_job("group", 3))
    found = running(client, namespace, 3)
    indexes = {pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in found}
    assert indexes == {"0", "1", "2"}
    assert all(pod["status"]["podIP"] and pod["status"]["containerStatuses"][0]["ready"] for pod in found)


def test_a_job_completes_with_the_termination_message_of_its_annotation(client: ApiClient, namespace: str) -> None:
    message = '{"metrics": {"accuracy": 0.97}, "note": "two\nlines: and a colon"}'
    create(client, namespace, indexed_job("done", 2, ending(message=message, after="0.2s")))
    job_condition(client, namespace, "done", "Complete")
    states = [terminated(pod) for pod in pods(client, namespace, "Succeeded")]
    assert [(state["exitCode"], state["reason"], state["message"]) for state in states] == [
        (0, "Completed", message)
    ] * 2


def test_one_pod_of_a_group_can_be_ended_alone(client: ApiClient, namespace: str) -> None:
    create(client, namespace, indexed_job("group", 2))
    first, second = running(client, namespace, 2)
    end_pod(client, namespace, first["metadata"]["name"], message="rank done")
    (ended,) = wait_until(lambda: pods(client, namespace, "Succeeded"), "one pod has ended")
    assert ended["metadata"]["name"] == first["metadata"]["name"]
    assert terminated(ended)["message"] == "rank done"
    assert [pod["metadata"]["name"] for pod in running(client, namespace, 1)] == [second["metadata"]["name"]]


def test_an_exit_code_trips_the_pod_failure_policy(client: ApiClient, namespace: str) -> None:
    on_two = {"containerName": "trainer", "operator": "In", "values": [2]}
    policy = {"rules": [{"action": "FailJob", "onExitCodes": on_two}]}
    create(client, namespace, indexed_job("bad", 1, ending(2, "no such dataset"), podFailurePolicy=policy))
    assert job_condition(client, namespace, "bad", "Failed")["reason"] == "PodFailurePolicy"
    (pod,) = pods(client, namespace, "Failed")
    state = terminated(pod)
    assert (state["exitCode"], state["reason"], state["message"]) == (2, "Error", "no such dataset")


def test_an_exit_code_that_no_policy_names_is_tried_again_until_the_limit(client: ApiClient, namespace: str) -> None:
    create(client, namespace, indexed_job("killed", 1, ending(137, reason="OOMKilled"), backoffLimit=0))
    assert job_condition(client, namespace, "killed", "Failed")["reason"] == "BackoffLimitExceeded"
    assert terminated(pods(client, namespace, "Failed")[0])["reason"] == "OOMKilled"


def test_an_evicted_pod_is_a_disruption_and_does_not_count_as_a_failure(client: ApiClient, namespace: str) -> None:
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    create(client, namespace, indexed_job("spot", 1, backoffLimit=0, podFailurePolicy=policy))
    (first,) = running(client, namespace, 1)
    name = first["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    client.post(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", eviction)

    def successor() -> bool:
        return any(pod["metadata"]["uid"] != first["metadata"]["uid"] for pod in pods(client, namespace, "Running"))

    wait_until(successor, "another pod runs")
    status = client.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/spot")["status"]
    assert status.get("failed", 0) == 0 and not status.get("conditions")


def test_a_deleted_pod_is_replaced_only_once_it_has_ended(client: ApiClient, namespace: str) -> None:
    create(client, namespace, indexed_job("slow", 1, stopping("2s"), podReplacementPolicy="Failed"))
    (first,) = running(client, namespace, 1)
    client.delete(f"/api/v1/namespaces/{namespace}/pods/{first['metadata']['name']}")

    def replaced() -> bool:
        alive = {pod["metadata"]["uid"]: pod for pod in pods(client, namespace) if pod["status"]["phase"] != "Failed"}
        assert len(alive) <= 1
        return alive.keys() > set() and first["metadata"]["uid"] not in alive

    wait_until(lambda: "deletionTimestamp" in pods(client, namespace)[0]["metadata"], "the pod is being deleted")
    assert pods(client, namespace)[0]["status"]["phase"] == "Running"
    wait_until(replaced, "the pod is replaced")


def test_more_gpus_than_a_node_has_stay_pending_and_say_why(client: ApiClient, namespace: str) -> None:
    create(client, namespace, indexed_job("fits", 1, gpus=8))
    running(client, namespace, 1)
    create(client, namespace, indexed_job("too-big", 1, gpus=9))

    def refusal() -> str:
        conditions = [
            entry for pod in pods(client, namespace, "Pending") for entry in pod["status"].get("conditions", [])
        ]
        return next((entry["message"] for entry in conditions if entry.get("reason") == "Unschedulable"), "")

    assert "Insufficient nvidia.com/gpu" in wait_until(refusal, "the pod is unschedulable")
