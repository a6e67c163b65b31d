"""Where the time goes between `kubectl apply` and the first training step, on a real node with real containers.

    python -m benchmarks.time_to_first_step [ROUNDS]

It starts a cluster, installs the operator with the chart, and trains on two pods, several times; it prints the median
of each part. Pods, containers and imports are Kubernetes' and PyTorch's; our own part is the operator, and the waiting
of the processes for each other. All that it starts ends with it. As root.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is run as a file

from benchmarks.load.namespaces import fresh_namespace
from benchmarks.load.report import Row, show
from testbed import wait_until
from testbed.node import NodeCluster
from testbed.node.operator import Operator

Object = dict[str, Any]

WORKERS = 2
LONGEST_SECONDS = 300
JOB: Object = {
    "apiVersion": "trainwright.dev/v1alpha1",
    "kind": "TrainingJob",
    "spec": {
        "framework": "pytorch",
        "model": {"factory": "trainwright_trainers.pytorch.models:mlp", "args": {"inputs": 64, "classes": 10}},
        "data": {"factory": "trainwright_trainers.data:digits"},
        "workers": {"replicas": WORKERS},
        "steps": [{"name": "train", "train": {"epochs": 1}}],
    },
}


class Follower(threading.Thread):
    """Notes when something first held of the objects of a namespace, by `time.time()`."""

    def __init__(self, cluster: NodeCluster, path: str, marks: dict[str, Callable[[Object], bool]], count: int) -> None:
        super().__init__(daemon=True)
        self._client, self._path, self._marks, self._count = cluster.client, path, marks, count
        self._version = self._client.get(path)["metadata"]["resourceVersion"]
        self._held: dict[str, set[str]] = {mark: set() for mark in marks}
        self.times: dict[str, float] = {}
        """When each mark held of as many objects as were awaited."""

    def run(self) -> None:
        """Follow, until all marks hold of all objects."""
        for event in self._client.watch(self._path, resourceVersion=self._version):
            for mark, holds in self._marks.items():
                if holds(event["object"]):
                    self._held[mark].add(event["object"]["metadata"]["uid"])
                if len(self._held[mark]) == self._count:
                    self.times.setdefault(mark, time.time())
            if self.times.keys() == self._marks.keys():
                return


def measure(cluster: NodeCluster, name: str, namespace: str) -> dict[str, float]:
    """Trains once. Seconds of each part, in the order in which they come."""
    jobs = Follower(cluster, f"/apis/batch/v1/namespaces/{namespace}/jobs", {"made": lambda _: True}, 1)
    marks = {"made": lambda _: True, "scheduled": lambda pod: bool(pod["spec"].get("nodeName"))}
    pods = Follower(cluster, f"/api/v1/namespaces/{namespace}/pods", marks, WORKERS)
    path = f"/apis/trainwright.dev/v1alpha1/namespaces/{namespace}/trainingjobs"
    for follower in (jobs, pods):
        follower.start()
    applied = time.time()
    cluster.client.post(path, JOB | {"metadata": {"name": name}})
    status = wait_until(
        lambda: (
            found if (found := cluster.client.get(f"{path}/{name}").get("status", {})).get("completionTime") else None
        ),
        f"{name} is done",
        LONGEST_SECONDS,
    )
    if status["phase"] != "Complete":
        raise RuntimeError(f"{name} is {status['phase']}: {status['conditions']}")
    started, first_step = read_times(cluster, name, namespace)
    lost = json.loads((storage(cluster, name, namespace) / "steps/train/result.json").read_text())["lost"]
    waited = lost["rendezvous"]
    return {
        "operator: the object to its Job": jobs.times["made"] - applied,
        "Job controller: the Job to its pods": pods.times["made"] - jobs.times["made"],
        "scheduler": pods.times["scheduled"] - pods.times["made"],
        "kubelet: containers, and Python": started - pods.times["scheduled"],
        "imports, model and data": first_step - started - waited,
        "rendezvous: the processes wait for each other": waited,
        "all": first_step - applied,
        "our own: operator and rendezvous": jobs.times["made"] - applied + waited,
    }


def read_times(cluster: NodeCluster, name: str, namespace: str) -> tuple[float, float]:
    """When worker 0's entry point began, and when the first optimizer step was done, in seconds since the epoch."""
    folder = storage(cluster, name, namespace) / "steps/train"
    started = json.loads((folder / "journal.jsonl").read_text().splitlines()[0])
    first_step = json.loads((folder / "history.jsonl").read_text().splitlines()[0])
    return started["time"], first_step["time"]


def storage(cluster: NodeCluster, name: str, namespace: str) -> Path:
    """The job's folder on the volume of its claim."""
    claim = cluster.client.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
    return cluster.volumes / claim["spec"]["volumeName"] / name


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.time_to_first_step", description=__doc__.splitlines()[0]
    )
    parser.add_argument("rounds", type=int, nargs="?", default=5, help="trainings that count (default: 5)")
    rounds = parser.parse_args().rounds
    with NodeCluster(("operator", "pytorch")) as cluster, cluster.network():
        Operator(cluster).install()
        namespace = fresh_namespace(cluster.client)
        measure(cluster, "warm-up", namespace)
        measured = [measure(cluster, f"round-{number}", namespace) for number in range(rounds)]
    parts = {part: [seconds[part] for seconds in measured] for part in measured[0]}
    rows = [
        Row(f"{part} ({min(seconds):.2f} to {max(seconds):.2f})", f"{statistics.median(seconds):.2f} s", wanted(part))
        for part, seconds in parts.items()
    ]
    show(f"from apply to the first step on {WORKERS} pods, medians of {rounds}", rows)


def wanted(part: str) -> str:
    """What is promised of a part."""
    return "under 1 s" if part.startswith("our own") else ""


if __name__ == "__main__":
    main()
