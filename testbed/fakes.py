"""Fake nodes, and what their pods do: the edge of the world, where a real cluster would start containers.

kwok marks a pod on a fake node Running at once. It then runs until it is deleted, unless its annotations say how it
ends. A test may also write the pod's status itself.
"""

from itertools import count as numbers
from itertools import islice
from typing import Any

from testbed.api import ApiClient
from testbed.waiting import wait_until

PREFIX = "testbed.trainwright.dev"


def ending(exit_code: int = 0, message: str = "", after: str = "0s", reason: str = "") -> dict[str, str]:
    """Annotations for a pod or a Job's pod template: the pod ends `after` it runs, such as `1.5s`.

    Every container exits with `exit_code`; the pod is Succeeded where that is 0, else Failed. `message` is what the
    containers wrote to their termination log. `reason` stands in for Completed or Error, such as `OOMKilled`.
    """
    annotations = {"end-after": after, "exit-code": str(exit_code), "termination-message": message, "reason": reason}
    return {f"{PREFIX}/{key}": value for key, value in annotations.items() if value}


def stopping(after: str) -> dict[str, str]:
    """Annotations for a pod that takes this long to end once it is deleted; others end at once."""
    return {f"{PREFIX}/stop-after": after}


def end_pod(client: ApiClient, namespace: str, name: str, exit_code: int = 0, message: str = "") -> None:
    """Ends one running pod of a fake node now."""
    annotations = ending(exit_code, message)
    client.patch(f"/api/v1/namespaces/{namespace}/pods/{name}", {"metadata": {"annotations": annotations}})


def add_fake_nodes(client: ApiClient, count: int, gpus: int = 0, cpu: str = "64", memory: str = "512Gi") -> list[str]:
    """Adds nodes with so much for pods to ask for, each; returns their names once they take pods."""
    resources = {"cpu": cpu, "memory": memory, "pods": "10000", "ephemeral-storage": "1Ti"}
    if gpus:
        resources["nvidia.com/gpu"] = str(gpus)
    taken = {node["metadata"]["name"] for node in _fake_nodes(client)}
    names = list(islice((name for number in numbers() if (name := f"fake-{number}") not in taken), count))
    for name in names:
        client.post("/api/v1/nodes", _node(name, resources))
    wait_until(lambda: set(names) <= _ready(_fake_nodes(client)), f"{count} fake nodes are Ready")
    return names


def _node(name: str, resources: dict[str, str]) -> dict[str, Any]:
    labels = {
        "type": "kwok",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": resources, "capacity": resources},
    }


def _fake_nodes(client: ApiClient) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = client.get("/api/v1/nodes", labelSelector="type=kwok")["items"]
    return nodes


def _ready(nodes: list[dict[str, Any]]) -> set[str]:
    """Names of the nodes that take pods: a new node is tainted until its first heartbeat was seen."""
    return {node["metadata"]["name"] for node in nodes if not node["spec"].get("taints")}
