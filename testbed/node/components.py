"""The command lines and the files of what runs on the node.

The choices that look odd were found necessary: control groups of version 1, root without CAP_SYS_RESOURCE, no way out.
"""

from dataclasses import dataclass
from pathlib import Path

from testbed.components import HOST, Setup
from testbed.node.addresses import BRIDGE, NODE, POD_NETWORK

NODE_NAME = "node"
KUBELET_USER, KUBELET_GROUPS = f"system:node:{NODE_NAME}", ["system:nodes"]
"""Who the kubelet is: the Node authorizer lets it see what its own pods need."""
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/trainwright-pause:1"
KUBELET_HEALTH, PROXY_HEALTH, DNS_HEALTH = 10248, 10256, 8181


@dataclass(frozen=True)
class NodeSetup:
    """What is decided before the first program of the node starts.

    Attributes:
        setup: the control plane's.
        kubelet: built with the control plane; kube_proxy likewise.
        coredns: the DNS server.
        images: containerd's folder, which outlives the machine.
        control_group: of all pods.
    """

    setup: Setup
    kubelet: Path
    kube_proxy: Path
    coredns: Path
    images: Path
    control_group: str


def containerd(node: NodeSetup) -> list[str]:
    """containerd with its images in a folder that stays, and everything else below /run of the machine."""
    _write_cni(node.setup)
    path = node.setup.write(
        "containerd.toml",
        f"""
version = 2
root = "{node.images}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Where root lacks CAP_SYS_RESOURCE, no sandbox starts without it.
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{node.setup.file("cni")}"
""",
    )
    return ["/usr/bin/containerd", f"--config={path}"]


def _write_cni(setup: Setup) -> None:
    """Pods on one bridge; nothing is translated, because nothing leads out."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_NETWORK, "gateway": NODE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": setup.file("cni-addresses"),
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": ipam}
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    (setup.directory / "cni").mkdir()
    setup.write_json("cni/10-bridge.conflist", {"cniVersion": "0.4.0", "name": "testbed", "plugins": plugins})


def kubelet(node: NodeSetup, kubeconfig: Path) -> list[str]:
    """The kubelet of a node that is never short of memory or disk, whatever else the real machine does."""
    setup = node.setup
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": setup.file("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "address": NODE,
        "healthzBindAddress": HOST,
        "healthzPort": KUBELET_HEALTH,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.control_group,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "clusterDNS": [NODE],
        "clusterDomain": "cluster.local",
        "resolvConf": setup.write("resolv.conf", ""),
        "volumePluginDir": setup.file("kubelet-plugins"),
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 200,
        # A pod is told of at once, not in the time that suits a cluster of thousands of nodes.
        "nodeStatusUpdateFrequency": "5s",
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    }
    return [
        str(node.kubelet),
        f"--config={setup.write_json('kubelet.json', configuration)}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={setup.file('kubelet')}",
        f"--cert-dir={setup.file('kubelet-certificates')}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE}",
    ]


def kube_proxy(node: NodeSetup, kubeconfig: Path) -> list[str]:
    """kube-proxy; it programs its first rule when the kubelet has made the Node object."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_NETWORK,
        "healthzBindAddress": f"{HOST}:{PROXY_HEALTH}",
        "metricsBindAddress": f"{HOST}:10249",
        # Sizes that only the real machine's own network may set.
        "conntrack": {"maxPerCore": 0, "min": 0},
        # All pods share a bridge: without it, an answer would go to the asking pod past the translation.
        "iptables": {"masqueradeAll": True},
    }
    return [str(node.kube_proxy), f"--config={node.setup.write_json('kube-proxy.json', configuration)}"]


def coredns(node: NodeSetup, kubeconfig: Path) -> list[str]:
    """CoreDNS for the cluster's names; any other name is unknown at once."""
    corefile = f"""
cluster.local:53 in-addr.arpa:53 {{
  bind {NODE}
  errors
  ready {HOST}:{DNS_HEALTH}
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
    ttl 2
  }}
}}
.:53 {{
  bind {NODE}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""
    return [str(node.coredns), "-conf", node.setup.write("Corefile", corefile)]
