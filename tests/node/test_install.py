"""The operator as the chart installs it, in a pod of its own."""

import pytest

from testbed import ApiError, wait_until
from testbed.node import NodeCluster
from testbed.node.operator import NAME, Operator
from testbed.operator import NAMESPACE
from tests.node.jobs import Jobs, training


def test_it_leads_in_a_namespace_that_refuses_pods_below_restricted(operator: Operator, node: NodeCluster) -> None:
    (pod,) = operator.pods()
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NAME}"
    name = pod["metadata"]["name"]
    wait_until(lambda: node.client.get(lease)["spec"].get("holderIdentity") == name, "the operator leads")


def test_another_pod_takes_over_when_it_is_killed(operator: Operator, node: NodeCluster) -> None:
    (killed,) = operator.pods()
    operator.kill()
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NAME}"
    wait_until(
        lambda: node.client.get(lease)["spec"].get("holderIdentity") not in (None, "", killed["metadata"]["name"]),
        "another pod leads",
        180,
    )


def test_a_training_outlives_an_upgrade_and_the_operators_absence(operator: Operator, jobs: Jobs) -> None:
    jobs.apply(training("kept", 20))
    jobs.wait_checkpoint("kept", 0)
    (before,) = operator.pods()
    operator.upgrade(podAnnotations={"example.org/revision": "2"})
    (after,) = operator.pods()
    assert after["metadata"]["name"] != before["metadata"]["name"]
    operator.uninstall()
    with pytest.raises(ApiError, match="404"):
        jobs.client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}")
    workers = {pod["metadata"]["uid"] for pod in jobs.pods("kept")}
    operator.upgrade()
    status = jobs.wait("kept", "Complete")
    assert status["restarts"] == 0
    assert {pod["metadata"]["uid"] for pod in jobs.pods("kept")} == workers
