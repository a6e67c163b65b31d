"""The node itself: its pods find each other, and nothing of it stays."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest

from testbed import wait_until
from testbed.node import NodeCluster, control_groups

PROGRAM = """
import os, socket, ssl, time, urllib.request

def retried(call):
    end = time.monotonic() + 60
    while True:
        try:
            return call()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)

index = os.environ["JOB_COMPLETION_INDEX"]
unverified = ssl._create_unverified_context()
version = retried(lambda: urllib.request.urlopen("https://kubernetes.default/version", context=unverified).read())
assert b"gitVersion" in version
if index == "0":
    peer, _ = socket.create_server(("0.0.0.0", 29500)).accept()
    words = peer.recv(100).decode()
else:
    peer = retried(lambda: socket.create_connection(("pair-0.pair", 29500)))
    words = f"hello from {socket.gethostname()}"
    peer.sendall(words.encode())
with open("/dev/termination-log", "w") as log:
    log.write(words)
"""


def pair(image: str) -> dict[str, Any]:
    """A Job of two restricted pods that talk to each other."""
    container = {
        "name": "main",
        "image": image,
        "command": ["python", "-c", PROGRAM],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    pod = {
        "subdomain": "pair",
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    template = {"metadata": {"labels": {"app": "pair"}}, "spec": pod}
    spec = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pair"}, "spec": spec}


def test_pods_find_each_other_by_name_and_the_api_server_by_its_cluster_ip(node: NodeCluster, namespace: str) -> None:
    core = f"/api/v1/namespaces/{namespace}"
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": "pair"}}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pair"}, "spec": service}
    node.client.post(f"{core}/services", body)
    node.client.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", pair(node.images["operator"]))

    def ended() -> list[dict[str, Any]]:
        pods = node.client.get(f"{core}/pods", labelSelector="app=pair")["items"]
        states = [status["state"] for pod in pods for status in pod["status"].get("containerStatuses", ())]
        return [state["terminated"] for state in states if "terminated" in state]

    wait_until(lambda: len(ended()) == 2, "both pods have ended", 180)
    assert [(state["exitCode"], state["message"]) for state in ended()] == [(0, "hello from pair-1")] * 2


def test_there_is_no_way_out(node: NodeCluster) -> None:
    routes = subprocess.run(["ip", "-json", "route"], capture_output=True, text=True, check=True).stdout
    assert "cni0" in routes
    assert "default" not in routes


MACHINE = """
import sys, time
from pathlib import Path
from testbed.node import control_groups
from testbed.node.machine import Machine

with control_groups.made(), Machine(Path(sys.argv[1])) as machine:
    sleeper = machine.process(["/bin/sleep", "86423"])
    sleeper.launch()
    sleeper.wait(lambda: "86423" in machine.run("ps", "ax"))
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_nothing_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    """Neither a process nor a network; the control group is removed by whoever comes next."""
    if os.geteuid() != 0:
        pytest.skip("a node for tests needs root")
    command = [sys.executable, "-c", textwrap.dedent(MACHINE), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert sleepers()
        process.send_signal(signal.SIGKILL)
    group = Path("/sys/fs/cgroup").glob(f"*/{control_groups.PREFIX}{process.pid}")
    wait_until(lambda: not sleepers(), "the machine's processes are gone")
    assert list(group)
    control_groups.remove_leftovers()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{control_groups.PREFIX}{process.pid}"))


def sleepers() -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if (process.info["cmdline"] or [])[-1:] == ["86423"]]
