"""The operator as a process of its own, with the rights that it is installed with and no others."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from testbed.binaries import find_kubectl
from testbed.cluster import Cluster
from testbed.components import HOST
from testbed.processes import Process
from testbed.waiting import wait_until
from trainwright.local.ports import free_ports

INSTALLATION = Path(__file__).parents[1] / "manifests/install.yaml"
"""What `kubectl apply` installs: the chart, rendered."""

NAMESPACE = "trainwright-system"
SERVICE_ACCOUNT = "trainwright-operator"
USER = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
"""The operator's name in the audit log."""

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trainingjobs.trainwright.dev"


def install(cluster: Cluster) -> None:
    """Puts in place what an operator needs that is no pod: the CRD, the service account, its rights everywhere.

    The Lease is left for the operator to make.
    """
    client = cluster.client
    apply(cluster, [body for body in installed_objects() if body["kind"] not in ("Deployment", "Lease")])

    def established() -> bool:
        conditions = client.get(CRD).get("status", {}).get("conditions") or []
        return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)

    wait_until(established, "the CRD is established")


def second_service_account(cluster: Cluster, name: str) -> str:
    """Makes a service account with the same rights as the operator's in all namespaces; returns its name as a user.

    With one for each replica the audit log tells them apart.
    """
    client = cluster.client
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    client.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", body)
    for kind, role_kind, role, path in (
        ("ClusterRoleBinding", "ClusterRole", SERVICE_ACCOUNT, "clusterrolebindings"),
        ("RoleBinding", "Role", f"{SERVICE_ACCOUNT}-election", f"namespaces/{NAMESPACE}/rolebindings"),
    ):
        reference = {"apiGroup": rbac, "kind": role_kind, "name": role}
        body = {"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": {"name": name}}
        client.post(f"/apis/{rbac}/v1/{path}", body | {"roleRef": reference, "subjects": [subject]})
    return f"system:serviceaccount:{NAMESPACE}:{name}"


def installed_objects(*kinds: str) -> list[dict[str, Any]]:
    """The objects of the installation, all or those of some kinds."""
    bodies = yaml.safe_load_all(INSTALLATION.read_text())
    return [body for body in bodies if not kinds or body["kind"] in kinds]


def apply(cluster: Cluster, bodies: Sequence[dict[str, Any]]) -> None:
    """`kubectl apply` of some objects."""
    command = [str(find_kubectl()), "apply", "--server-side", "-f", "-"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig())}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class OperatorProcess(Process):
    """One replica: `trainwright operator`.

    Args:
        kubeconfig: who it is.
        directory: for its log; each replica needs one of its own, and has its name.
        namespaces: those that it cares for; all when empty.
        workers: passes at the same time.
    """

    def __init__(
        self, kubeconfig: Path, directory: Path, namespaces: Sequence[str] = (), workers: int | None = None
    ) -> None:
        self.health_port, self.metrics_port = free_ports(2)
        command = [
            str(Path(sys.executable).parent / "trainwright"),
            "operator",
            f"--lease-namespace={NAMESPACE}",
            f"--health-port={self.health_port}",
            f"--metrics-port={self.metrics_port}",
            f"--identity={directory.name}",
            *(f"--namespace={namespace}" for namespace in namespaces),
            *([f"--workers={workers}"] if workers else []),
        ]
        super().__init__(command, directory, {"KUBECONFIG": str(kubeconfig)})

    def start_ready(self) -> None:
        """Starts it and waits until it could lead."""
        self.start(lambda: self.answers("readyz"))

    def freeze(self) -> None:
        """Stops its clockwork (SIGSTOP) until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def answers(self, path: str) -> bool:
        """Whether a health endpoint answers with 200. Raises OSError while nothing listens."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{HOST}:{self.health_port}/{path}", timeout=5):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
