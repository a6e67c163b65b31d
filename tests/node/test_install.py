"""The operator as the chart installs it, in a pod of its own."""

from testbed import wait_until
from testbed.node import NodeCluster
from testbed.node.operator import NAME, Operator
from testbed.operator import NAMESPACE


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
