"""What a test may ask of any cluster, its own or one that already runs."""

import os
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

import yaml

from testbed.api import ApiClient
from testbed.kubeconfig import write_kubeconfig


class Cluster(ABC):
    """A Kubernetes cluster that tests may write to."""

    @abstractmethod
    def kubeconfig(self) -> Path:
        """A kubeconfig with every right."""

    @cached_property
    def client(self) -> ApiClient:
        """A client with every right."""
        return ApiClient.from_kubeconfig(self.kubeconfig())

    def service_account_kubeconfig(self, namespace: str, name: str, folder: Path) -> Path:
        """Writes to `folder` a kubeconfig with a token for an existing service account, good for an hour."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        granted = self.client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", request)
        config = yaml.safe_load(self.kubeconfig().read_text())
        context = next(entry["context"] for entry in config["contexts"] if entry["name"] == config["current-context"])
        context |= {"user": name, "namespace": namespace}
        config["users"] = [{"name": name, "user": {"token": granted["status"]["token"]}}]
        return write_kubeconfig(folder / f"{namespace}-{name}.kubeconfig", config)


class ExistingCluster(Cluster):
    """The cluster that KUBECONFIG names."""

    def kubeconfig(self) -> Path:
        """The file that KUBECONFIG names. Raises ValueError where it names none, or several."""
        path = os.environ.get("KUBECONFIG", "")
        if not Path(path).is_file():
            raise ValueError(f"KUBECONFIG must name one file, got {path!r}")
        return Path(path)
