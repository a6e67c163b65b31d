"""A fresh namespace for each measurement, with a claim that is bound."""

from itertools import count

from testbed import ApiClient, wait_until

CLAIM = "data"

_numbers = count(1)


def fresh_namespace(client: ApiClient) -> str:
    """Makes a namespace in which pods can be made and scheduled; returns its name."""
    name = f"load-{next(_numbers)}"
    client.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    path = f"/api/v1/namespaces/{name}"
    wait_until(lambda: client.get(f"{path}/serviceaccounts")["items"], f"{name} has its service account")
    _bound_claim(client, name)
    return name


def _bound_claim(client: ApiClient, namespace: str) -> None:
    """A claim and its volume, made as bound: Kubernetes' own controller would take seconds to find that out."""
    size, modes = {"storage": "1Gi"}, ["ReadWriteMany"]
    shared = {"accessModes": modes, "storageClassName": "manual"}
    bound = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    wanted = {"resources": {"requests": size}, "volumeName": namespace, **shared}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": wanted, "metadata": {"name": CLAIM, **bound}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    claim = client.post(path, body)["metadata"]
    reference = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": CLAIM, "uid": claim["uid"]}
    volume = {"capacity": size, "hostPath": {"path": "/nonexistent"}, "claimRef": reference, **shared}
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": volume}
    client.post("/api/v1/persistentvolumes", body)
    client.patch(f"{path}/{CLAIM}/status", {"status": {"phase": "Bound", "accessModes": modes, "capacity": size}})
    wait_until(lambda: client.get(f"{path}/{CLAIM}")["status"].get("phase") == "Bound", "the claim is bound")
