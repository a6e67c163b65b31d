"""The command line and the files of each program of the control plane."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from testbed import audit
from testbed.binaries import Binaries
from testbed.certificates import Authority, signing_key
from trainwright.local.ports import free_ports

HOST = "127.0.0.1"
SERVICE_NETWORK = "10.96.0.0/12"
API_SERVICE = "10.96.0.1"
"""ClusterIP of the Service `kubernetes`, the first of its network."""
API_SERVICE_NAMES = (API_SERVICE, "kubernetes.default", "kubernetes.default.svc")
STAGES = tuple(sorted((Path(__file__).parent / "stages").glob("*.yaml")))


class Ports(NamedTuple):
    """One port for each thing that listens, all on the loopback address."""

    etcd: int
    etcd_peer: int
    api_server: int
    controller_manager: int
    scheduler: int
    kwok: int


@dataclass(frozen=True)
class Setup:
    """Everything that is decided before the first program starts; its files lie in `directory`."""

    directory: Path
    binaries: Binaries
    ports: Ports
    authority: Authority
    address: str = HOST
    """Where pods reach the API server; the loopback address where no pod ever runs."""

    @classmethod
    def create(cls, directory: Path, binaries: Binaries, address: str = HOST) -> "Setup":
        """Picks ports and writes the certificates and keys."""
        setup = cls(directory, binaries, Ports(*free_ports(len(Ports._fields))), Authority(), address)
        server = setup.authority.server("kubernetes", [HOST, "localhost", address, *API_SERVICE_NAMES])
        setup.write("ca.crt", setup.authority.certificate)
        setup.write("server.crt", server.certificate)
        setup.write("server.key", server.key)
        setup.write("service-accounts.key", signing_key())
        return setup

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{HOST}:{self.ports.api_server}"

    @property
    def audit_log(self) -> Path:
        """Written by the API server, one JSON object a line."""
        return self.directory / "audit.log"

    def file(self, name: str) -> str:
        """A path in the directory, as a flag takes it."""
        return str(self.directory / name)

    def write(self, name: str, text: str) -> str:
        """Writes a file for the owner's eyes only and returns its path."""
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    def write_json(self, name: str, content: dict[str, Any]) -> str:
        """Writes a configuration file; JSON is YAML too."""
        return self.write(name, json.dumps(content))


def etcd(setup: Setup) -> list[str]:
    """etcd on a fresh data folder. No TLS: it listens on the loopback address, and what it holds lives for one run."""
    client, peer = (f"http://{HOST}:{port}" for port in (setup.ports.etcd, setup.ports.etcd_peer))
    return [
        str(setup.binaries.etcd),
        f"--data-dir={setup.file('etcd')}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(setup: Setup) -> list[str]:
    """The API server as a cluster runs it: RBAC, the default admission plug-ins, service-account tokens."""
    kubelet_client = setup.authority.client("kube-apiserver-kubelet-client", ["system:masters"])
    return [
        str(setup.binaries.kube_apiserver),
        f"--etcd-servers=http://{HOST}:{setup.ports.etcd}",
        f"--bind-address={HOST if setup.address == HOST else '0.0.0.0'}",
        f"--advertise-address={setup.address}",
        f"--secure-port={setup.ports.api_server}",
        # A loopback address must not become the endpoint of the Service `kubernetes`.
        *(["--endpoint-reconciler-type=none"] if setup.address == HOST else []),
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={setup.write('kubelet-client.crt', kubelet_client.certificate)}",
        f"--kubelet-client-key={setup.write('kubelet-client.key', kubelet_client.key)}",
        "--authorization-mode=Node,RBAC",
        # As in any real cluster: what a pod may do is for PodSecurity to say, by namespace.
        "--allow-privileged",
        f"--client-ca-file={setup.file('ca.crt')}",
        f"--tls-cert-file={setup.file('server.crt')}",
        f"--tls-private-key-file={setup.file('server.key')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={setup.file('service-accounts.key')}",
        f"--service-account-signing-key-file={setup.file('service-accounts.key')}",
        # Otherwise stopping takes a minute where a client watches: the server would wait for it to go.
        "--shutdown-watch-termination-grace-period=1s",
        f"--audit-policy-file={setup.write_json('audit-policy.json', audit.POLICY)}",
        f"--audit-log-path={setup.audit_log}",
        # In MiB: a log that is rotated would lose its beginning to the reader.
        "--audit-log-maxsize=1000000",
    ]


def controller_manager(setup: Setup, kubeconfig: Path) -> list[str]:
    """All of Kubernetes' controllers, each as its own service account."""
    return [
        str(setup.binaries.kube_controller_manager),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={HOST}",
        f"--secure-port={setup.ports.controller_manager}",
        f"--tls-cert-file={setup.file('server.crt')}",
        f"--tls-private-key-file={setup.file('server.key')}",
        f"--root-ca-file={setup.file('ca.crt')}",
        f"--service-account-private-key-file={setup.file('service-accounts.key')}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        # The default, 20 requests a second, would be what a load test measures.
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
    ]


def scheduler(setup: Setup, kubeconfig: Path) -> list[str]:
    """The default scheduler, with its limit on requests raised like the controller manager's."""
    configuration = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 2000},
    }
    return [
        str(setup.binaries.kube_scheduler),
        f"--config={setup.write_json('scheduler.json', configuration)}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={HOST}",
        f"--secure-port={setup.ports.scheduler}",
        f"--tls-cert-file={setup.file('server.crt')}",
        f"--tls-private-key-file={setup.file('server.key')}",
    ]


def kwok(setup: Setup, kubeconfig: Path) -> list[str]:
    """kwok, which plays the kubelet of every node with the annotation `kwok.x-k8s.io/node: fake`."""
    configuration = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "podPlayStageParallelism": 16,
            "nodePlayStageParallelism": 16,
            "nodeLeaseParallelism": 4,
            "podsOnNodeSyncParallelism": 4,
        },
    }
    files = [setup.write_json("kwok.json", configuration), *setup.binaries.kwok_stages, *STAGES]
    return [
        str(setup.binaries.kwok),
        f"--kubeconfig={kubeconfig}",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
        f"--node-ip={HOST}",
        f"--server-address={HOST}:{setup.ports.kwok}",
        *(f"--config={file}" for file in files),
    ]
