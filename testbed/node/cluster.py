"""A control plane with one real node."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from testbed.binaries import find_binaries, find_node_binaries
from testbed.build import cache_directory, locked
from testbed.components import API_SERVICE, HOST, SERVICE_NETWORK, Setup
from testbed.controlplane import ControlPlane
from testbed.node import components, control_groups, leftovers, packages
from testbed.node.addresses import BRIDGE, NODE
from testbed.node.components import CONTAINERD_SOCKET, PAUSE_IMAGE, NodeSetup
from testbed.node.images import Builder
from testbed.node.machine import Machine
from testbed.processes import Process

LAYERS = "io.containerd.content.v1.content/blobs/sha256"
"""Where containerd keeps what it has imported, in its folder."""

TRAINER_USER = 65532
VOLUMES = 40


class NodeCluster(ControlPlane):
    """Runs from `with` to the end of the block, one at a time on this machine.

    Whoever talks to it does so inside `network()`, in which the block itself is not.

    Args:
        targets: images of the Dockerfile that are to be there; `images` has their names.
    """

    def __init__(self, targets: Sequence[str] = ()) -> None:
        self._targets = targets
        self.images: dict[str, str] = {}
        """Names of the images, by target."""

    @contextmanager
    def network(self) -> Iterator[None]:
        """Inside the block this thread, and what it starts, is in the cluster's network, which leads nowhere else."""
        with self._machine.network():
            yield

    @property
    def volumes(self) -> Path:
        """Where the persistent volumes are, each in a folder of its own that has its name."""
        return self.directory / "volumes"

    def _begin(self, stack: ExitStack, directory: Path) -> None:
        packages.require()
        binaries, node_binaries = find_binaries(), find_node_binaries()
        cache = cache_directory() / "node"
        cache.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(cache / "node.lock"))
        builder = Builder()
        self.images = {target: builder.trainer(target) for target in self._targets}
        builder.pause(PAUSE_IMAGE)
        leftovers.remove_directories()
        group = stack.enter_context(control_groups.made())
        self._machine = stack.enter_context(Machine(directory))
        self._machine.run("ip", "link", "add", BRIDGE, "type", "bridge")
        self._machine.run("ip", "address", "add", f"{NODE}/16", "dev", BRIDGE)
        self._machine.run("ip", "link", "set", BRIDGE, "up")
        self._machine.run("ip", "route", "add", SERVICE_NETWORK, "dev", BRIDGE)
        self._machine.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        with self._machine.network():
            self._setup = Setup.create(directory, binaries, NODE)
            self._node = NodeSetup(
                setup=self._setup,
                kubelet=node_binaries.kubelet,
                kube_proxy=node_binaries.kube_proxy,
                coredns=node_binaries.coredns,
                images=cache / "containerd",
                control_group=group,
            )
            containerd = self._run_on_node(stack, components.containerd(self._node))
            self._start(stack)
            self._add_volumes()
            containerd.wait(self._containerd_ready)
            self._import_images(builder)
            self._start_node(stack)

    def _start_node(self, stack: ExitStack) -> None:
        user = self.kubeconfig(components.KUBELET_USER, components.KUBELET_GROUPS)
        kubelet = self._run_on_node(stack, components.kubelet(self._node, user))
        dns = self._run_on_node(stack, components.coredns(self._node, self.kubeconfig("coredns")))
        kubelet.wait(lambda: self._ok(f"http://{HOST}:{components.KUBELET_HEALTH}/healthz"))
        kubelet.wait(self._node_is_ready)
        proxy = self._run_on_node(stack, components.kube_proxy(self._node, self.kubeconfig("system:kube-proxy", ())))
        dns.wait(lambda: self._ok(f"http://{HOST}:{components.DNS_HEALTH}/ready"))
        proxy.wait(lambda: self._ok(f"https://{API_SERVICE}/readyz"))

    def _run_on_node(self, stack: ExitStack, command: list[str]) -> Process:
        """Starts a program inside the machine, with which it ends."""
        process = self._machine.process(command)
        self._processes[process.name] = process
        process.launch()
        stack.callback(process.kill)
        return process

    def _node_is_ready(self) -> bool:
        nodes = self.client.get("/api/v1/nodes", labelSelector="type!=kwok")["items"]
        return any(not node["spec"].get("taints") and "Ready" in _true_conditions(node) for node in nodes)

    def _ctr(self, *arguments: str) -> str:
        return self._machine.run("ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", *arguments)

    def _containerd_ready(self) -> bool:
        self._ctr("version")
        return True

    def _import_images(self, builder: Builder) -> None:
        """Brings in the images that containerd lacks, and drops those that they stand in for."""
        for leftover in self._ctr("containers", "list", "--quiet").split():
            self._ctr("containers", "delete", leftover)
        there = set(self._ctr("images", "list", "--quiet").split())
        wanted = {PAUSE_IMAGE, *self.images.values()}
        for name in sorted(wanted - there):
            with tempfile.TemporaryDirectory(dir=cache_directory()) as folder:
                archive = Path(folder, "image.tar")
                builder.save(name, archive, self._node.images / LAYERS)
                self._ctr("images", "import", str(archive))
        former = [name for name in there - wanted if name.split(":")[0] in {name.split(":")[0] for name in wanted}]
        for name in former:
            self._ctr("images", "remove", name)

    def _add_volumes(self) -> None:
        """Volumes for claims of any size, such as an administrator would make by hand: every pod may write to them."""
        for number in range(VOLUMES):
            name = f"volume-{number}"
            folder = self.volumes / name
            folder.mkdir(parents=True)
            os.chown(folder, TRAINER_USER, TRAINER_USER)
            folder.chmod(0o2777)
            spec = {
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": str(folder)},
            }
            body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
            self.client.post("/api/v1/persistentvolumes", body)


def _true_conditions(node: dict[str, object]) -> set[str]:
    status = node["status"]
    assert isinstance(status, dict)
    return {item["type"] for item in status.get("conditions", ()) if item["status"] == "True"}
