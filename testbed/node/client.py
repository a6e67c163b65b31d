"""The programs that people use, on a cluster with a real node."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed.binaries import find_helm, find_kubectl
from testbed.helm import values_flags
from testbed.node.cluster import NodeCluster
from testbed.node.operator import chart_values

DEMO = Path(__file__).parents[2] / "manifests" / "examples" / "cluster-demo.sh"


def demo(cluster: NodeCluster) -> list[str]:
    """The command that shows the first example on a cluster, for the images of this one."""
    return [str(DEMO), *values_flags(chart_values(cluster))]


def run(cluster: NodeCluster, command: Sequence[str], **options: object) -> "subprocess.CompletedProcess[str]":
    """Runs a command that finds kubectl and helm, and with them the cluster; inside its network."""
    programs = [str(program.parent) for program in (find_kubectl(), find_helm())]
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig()),
        "HOME": str(cluster.directory),
        "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
    }
    return subprocess.run(command, env=environment, check=False, text=True, **options)  # type: ignore[call-overload,no-any-return]
