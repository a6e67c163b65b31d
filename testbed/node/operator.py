"""The operator in the cluster, as users have it: installed with the chart."""

from typing import Any

from testbed.helm import CHART, helm, values_flags
from testbed.node.cluster import NodeCluster
from testbed.operator import NAMESPACE
from testbed.waiting import wait_until

NAME = "trainwright-operator"
SELECTOR = "app.kubernetes.io/name=trainwright"
READY_SECONDS = 300


class Operator:
    """The operator's Deployment and its pods."""

    def __init__(self, cluster: NodeCluster) -> None:
        self._cluster, self._client = cluster, cluster.client

    def install(self) -> None:
        """Installs it into a namespace that refuses pods below the `restricted` standard, and waits until it leads."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
        self._client.post("/api/v1/namespaces", body)
        self.upgrade()

    def upgrade(self, **values: Any) -> None:
        """Installs it, or changes what is installed, and waits until the new pods alone are there and ready.

        Args:
            values: further values of the chart.
        """
        flags = [*values_flags(chart_values(self._cluster) | values), f"--namespace={NAMESPACE}"]
        wait = ("--wait", f"--timeout={READY_SECONDS}s")
        helm("upgrade", "--install", "trainwright", str(CHART), *flags, *wait, cluster=self._cluster)
        self.wait_ready()

    def uninstall(self) -> None:
        """Takes it away, and waits until its pods are gone."""
        helm("uninstall", "trainwright", f"--namespace={NAMESPACE}", "--wait", cluster=self._cluster)
        wait_until(lambda: not self.pods(), "the operator is gone", READY_SECONDS)

    def wait_ready(self) -> None:
        """Waits until a pod of it is ready."""
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
        wait_until(
            lambda: self._client.get(path)["status"].get("readyReplicas"), "the operator is ready", READY_SECONDS
        )

    def pods(self) -> list[dict[str, Any]]:
        """Its pods that are not being deleted."""
        items = self._client.get(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=SELECTOR)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def kill(self) -> None:
        """Ends its pods without a warning."""
        for pod in self.pods():
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
            self._client.delete(path, gracePeriodSeconds="0")


def chart_values(cluster: NodeCluster) -> dict[str, Any]:
    """The chart's values for the images that the cluster has; one replica is enough for one node."""
    (tag,) = {name.rsplit(":", 1)[1] for name in cluster.images.values()}
    return {"image.registry": "localhost", "image.tag": tag, "replicas": 1}
