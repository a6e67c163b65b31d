"""TrainingJobs of one namespace on the node: made, followed, and what befalls their pods."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from testbed import wait_until
from testbed.binaries import find_kubectl
from testbed.node import NodeCluster
from trainwright.api.loading import read_manifests

Object = dict[str, Any]

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
LONG = 900
"""Seconds that something may take that trains."""

ONE_THREAD = {"name": "OMP_NUM_THREADS", "value": "1"}
"""Sums over another number of threads differ in the last digits."""


def training(name: str, epochs: int, replicas: int = 2, **spec: Any) -> Object:
    """A small model's training on `replicas` pods, with a checkpoint every 10 steps."""
    train = {
        "epochs": epochs,
        "batchSize": 60,
        "optimizer": {"name": "AdamW", "learningRate": 3e-3},
        "checkpoint": {"everySteps": 10},
    }
    return {
        "apiVersion": "trainwright.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "framework": "pytorch",
            "model": {
                "factory": "trainwright_trainers.pytorch.models:resnet8",
                "args": {"in_channels": 1, "classes": 10, "width": 8},
            },
            "data": {"factory": "trainwright_trainers.data:digits"},
            "workers": {"replicas": replicas, "template": with_trainer(env=[ONE_THREAD])},
            "steps": [{"name": "train", "train": train}],
        }
        | spec,
    }


def with_trainer(**container: Any) -> Object:
    """A pod template with the user's part of the trainer's container."""
    return {"spec": {"containers": [{"name": "trainer", **container}]}}


def example(name: str) -> Object:
    """One of the project's examples."""
    return next(read_manifests(EXAMPLES / f"{name}.yaml"))


def losses(folder: Path) -> dict[int, float]:
    """The loss at every step of a training, from the storage's root."""
    lines = (folder / "steps/train/history.jsonl").read_text().splitlines()
    return {entry["step"]: entry["loss"] for entry in map(json.loads, lines) if "loss" in entry}


class Jobs:
    """The TrainingJobs of a namespace."""

    def __init__(self, node: NodeCluster, namespace: str) -> None:
        self._node, self.client, self.namespace = node, node.client, namespace
        self._path = f"/apis/trainwright.dev/v1alpha1/namespaces/{namespace}/trainingjobs"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"

    def kubectl(self, *arguments: str, body: Object | None = None) -> str:
        """What kubectl prints; `body` is what it reads."""
        command = [str(find_kubectl()), "--namespace", self.namespace, *arguments]
        environment = {**os.environ, "KUBECONFIG": str(self._node.kubeconfig()), "HOME": str(self._node.directory)}
        text = None if body is None else yaml.safe_dump(body)
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def path(self, name: str) -> str:
        """The API's path of a job."""
        return f"{self._path}/{name}"

    def apply(self, body: Object) -> None:
        self.kubectl("apply", "--filename=-", body=body)

    def patch(self, name: str, **spec: Any) -> None:
        self.client.patch(self.path(name), {"spec": spec})

    def status(self, name: str) -> Object:
        status: Object = self.client.get(self.path(name)).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> Object:
        return next((item for item in self.status(name).get("conditions", ()) if item["type"] == kind), {})

    def wait_for(self, name: str, holds: Callable[[Object], Any], what: str, seconds: float = LONG) -> Object:
        """Waits until something holds of the status, which is returned."""
        return wait_until(lambda: status if holds(status := self.status(name)) else None, f"{name} {what}", seconds)

    def wait(self, name: str, phase: str, seconds: float = LONG) -> Object:
        """Waits for a phase; another end than that is a failure at once, with the words."""

        def there(status: Object) -> bool:
            if status.get("phase") == "Failed" != phase:
                raise AssertionError(f"{name} failed: {self.condition(name, 'Failed').get('message')}")
            return status.get("phase") == phase

        return self.wait_for(name, there, f"is {phase}", seconds)

    def why_not_running(self, name: str, word: str, seconds: float = 180) -> str:
        """What the condition Running says, once it has a word in it."""

        def told() -> str:
            message: str = self.condition(name, "Running").get("message", "")
            return message if word in message else ""

        return wait_until(told, f"{name} says {word!r}", seconds)

    def pods(self, name: str) -> list[Object]:
        """The job's pods, by name."""
        items = self.client.get(self._pods, labelSelector=f"trainwright.dev/job-name={name}")["items"]
        return sorted(items, key=lambda pod: str(pod["metadata"]["name"]))

    def live_pods(self, name: str) -> list[Object]:
        """Those that run and were not told to end."""
        return [
            pod
            for pod in self.pods(name)
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]

    def delete_pod(self, pod: Object) -> None:
        self.client.delete(f"{self._pods}/{pod['metadata']['name']}")

    def log(self, pod: Object) -> str:
        return self.client.text(f"{self._pods}/{pod['metadata']['name']}/log")

    def events(self, name: str) -> list[str]:
        """Reasons of the events about a job."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        items = self.client.get(path)["items"]
        mine = [item for item in items if item["regarding"].get("kind") == "TrainingJob"]
        mine = [item for item in mine if item["regarding"]["name"] == name]
        return [item["reason"] for item in sorted(mine, key=lambda item: str(item["eventTime"]))]

    def storage(self, name: str) -> Path:
        """Where the job's own files are on this machine."""
        claim = self.client.get(f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims/{name}")
        return self._node.volumes / claim["spec"]["volumeName"] / name

    def checkpoints(self, name: str) -> list[int]:
        """Steps of the checkpoints that are complete; none before the job has its volume."""
        claims = self.client.get(f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims")["items"]
        if not any(claim["metadata"]["name"] == name and claim["spec"].get("volumeName") for claim in claims):
            return []
        folder = self.storage(name) / "steps/train/checkpoints"
        return sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-" + 8 * "[0-9]"))

    def wait_checkpoint(self, name: str, after: int) -> int:
        """Waits for a checkpoint of a later step than `after`."""

        def newest() -> int:
            steps = self.checkpoints(name)
            return steps[-1] if steps and steps[-1] > after else 0

        return wait_until(newest, f"{name} has a checkpoint after step {after}", LONG)

    def journal(self, name: str) -> list[Object]:
        """What happened to the training, from its own records."""
        return [
            json.loads(line) for line in (self.storage(name) / "steps/train/journal.jsonl").read_text().splitlines()
        ]

    def kill_worker(self, pod: Object) -> None:
        """SIGKILL for one of the training processes in a pod, as the kernel would send it."""
        _worker_of(pod).send_signal(signal.SIGKILL)

    def exhaust_memory(self, pod: Object) -> None:
        """Fills the memory that the pod's container may have, until the kernel ends a training process for it."""
        worker = _worker_of(pod)
        with subprocess.Popen([sys.executable, "-c", EAT, str(worker.pid)], stdin=subprocess.DEVNULL) as eater:
            try:
                wait_until(lambda: not worker.is_running() or eater.poll(), "the kernel ends a training process", 120)
                assert eater.poll() is None, "the eater was ended in its place"
            finally:
                eater.kill()


EAT = """
import pathlib, sys, time
own = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
for line in pathlib.Path(f"/proc/{sys.argv[1]}/cgroup").read_text().splitlines():
    _, controllers, path = line.split(":", 2)
    group = pathlib.Path(f"/sys/fs/cgroup/{controllers}{path}/cgroup.procs")
    if controllers in ("", "memory") and line not in own and group.exists():
        group.write_text("0")
eaten = []
while True:
    eaten.append(bytes([1]) * (8 << 20))
    time.sleep(0.01)
"""
"""A program that joins the memory's control group of a process and takes all that is left there. What the kernel ends
is a process of the pod: the kubelet has said of these that they go before others."""


def _worker_of(pod: Object) -> psutil.Process:
    """One of the training processes in a pod."""
    uid = pod["metadata"]["uid"]
    for process in psutil.process_iter(["cmdline"]):
        is_worker = "trainwright_trainers.pytorch.worker" in (process.info["cmdline"] or ())
        if is_worker and uid in Path(f"/proc/{process.pid}/cgroup").read_text():
            return process
    raise AssertionError(f"no training process in {pod['metadata']['name']}")
