"""The script that README tells people to run on a cluster of their own."""

import subprocess

from testbed.node import NodeCluster, client
from testbed.node.operator import Operator


def test_the_demo_installs_trains_and_shows_what_came_of_it(operator: Operator, node: NodeCluster) -> None:
    done = client.run(node, client.demo(node), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    try:
        assert done.returncode == 0, done.stdout
        lines = done.stdout.splitlines()
        shown = [line.split("\t")[:2] for line in lines if "\taccuracy " in line]
        assert shown == [[step, "Succeeded"] for step in ("train", "prune", "int8", "onnx")]
        assert "artifact steps/onnx/artifact\tonnx" in lines
        assert any(line.split()[:3] == ["digits", "Running", "train"] for line in lines), done.stdout
    finally:
        node.client.delete("/apis/trainwright.dev/v1alpha1/namespaces/default/trainingjobs/digits")
