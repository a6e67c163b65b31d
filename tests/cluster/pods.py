"""All pods of the test cluster, followed from birth to end: plays the trainers in them, and holds them to one promise.

The promise: never two live pods for one rank. A group is whole before and after, never half of one and half of another.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from testbed import ApiClient, ApiError
from testbed.fakes import PREFIX, ending
from trainwright.api.contract import ArtifactReference, Fault, Metrics, StepResult
from trainwright.manifests.names import ATTEMPT_LABEL, INDEX_ANNOTATION, JOB_LABEL, STEP_LABEL

Object = dict[str, Any]


@dataclass(frozen=True)
class Worker:
    """One pod of a TrainingJob."""

    namespace: str
    job: str
    owner: str
    """uid of the child Job."""
    step: str
    attempt: int
    index: int
    name: str
    uid: str

    @classmethod
    def of(cls, pod: Object) -> "Worker":
        metadata = pod["metadata"]
        labels = metadata["labels"]
        return cls(
            namespace=metadata["namespace"],
            job=labels[JOB_LABEL],
            owner=labels["batch.kubernetes.io/controller-uid"],
            step=labels[STEP_LABEL],
            attempt=int(labels[ATTEMPT_LABEL]),
            index=int(metadata.get("annotations", {}).get(INDEX_ANNOTATION, 0)),
            name=metadata["name"],
            uid=metadata["uid"],
        )


@dataclass(frozen=True)
class End:
    """How a worker ends."""

    exit_code: int = 0
    message: str = ""
    reason: str = ""
    after: str = "0s"


Behaviour = Callable[[Worker], End | None]
"""What a worker does once it runs: end in some way, or run until it is deleted."""


def success(worker: Worker, accuracy: float = 0.9, **metrics: float) -> End:
    """A step's good result with an artifact."""
    measured = Metrics.model_validate({"accuracy": accuracy, **metrics})
    artifact = ArtifactReference(
        name=worker.step,
        format="onnx" if worker.step in ("int8", "onnx") else "safetensors",
        path=f"steps/{worker.step}/artifact",
        size_bytes=1,
        sha256="0" * 64,
        metrics=measured,
    )
    return End(message=json.dumps(StepResult(outcome="Succeeded", metrics=measured, artifact=artifact).to_dict()))


def failure(message: str, exit_code: int = 1, kind: str = "RuntimeError", training_step: int | None = None) -> End:
    """A trainer's own report of an error."""
    fault = Fault(kind=kind, message=message, rank=0, exit_code=exit_code)
    result = StepResult(outcome="Failed", fault=fault, training_step=training_step)
    return End(exit_code, json.dumps(result.to_dict()))


def forever(worker: Worker) -> End | None:
    """A worker that runs until it is deleted."""


@dataclass
class Life:
    """One pod that was seen."""

    worker: Worker
    live: bool = True
    told: bool = False


@dataclass
class Pods:
    """Follows all pods of TrainingJobs on a thread of its own, in the order in which the API server changed them."""

    client: ApiClient
    lives: dict[str, Life] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    """Every moment at which a rank had two live pods, or two groups of one job were live."""
    behaviours: dict[tuple[str, str], Behaviour] = field(default_factory=dict)
    """What the workers of a job do, by namespace and name; others run until they are deleted."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def of(self, namespace: str, job: str | None = None) -> list[Life]:
        """The pods seen so far in a namespace, or of one job, in the order of their birth."""
        with self._lock:
            lives = list(self.lives.values())
        return [life for life in lives if life.worker.namespace == namespace and job in (None, life.worker.job)]

    def assert_never_two_a_rank(self, namespace: str) -> None:
        assert [words for words in self.violations if words.startswith(f"{namespace}/")] == []

    def _follow(self) -> None:
        version = ""
        while not self._stop.is_set():
            try:
                version = version or self._list()
                query = {"labelSelector": JOB_LABEL, "resourceVersion": version, "timeoutSeconds": "20"}
                for event in self.client.watch("/api/v1/pods", allowWatchBookmarks="true", **query):
                    if event["type"] == "ERROR":  # an API server that was restarted forgets the past
                        version = ""
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._take_in(event["type"], event["object"])
                    if self._stop.is_set():
                        return
            except (OSError, ApiError, ValueError):  # the API server is restarting; history goes on where it was
                self._stop.wait(0.2)

    def _list(self) -> str:
        """Takes in all pods that there are; returns the version of the list."""
        answer = self.client.get("/api/v1/pods", labelSelector=JOB_LABEL)
        there = {pod["metadata"]["uid"] for pod in answer["items"]}
        with self._lock:
            for uid, life in self.lives.items():
                life.live = life.live and uid in there
        for pod in answer["items"]:
            self._take_in("ADDED", pod)
        version: str = answer["metadata"]["resourceVersion"]
        return version

    def _take_in(self, kind: str, pod: Object) -> None:
        worker = Worker.of(pod)
        with self._lock:
            life = self.lives.setdefault(worker.uid, Life(worker))
            life.live = kind != "DELETED" and pod["status"].get("phase") not in ("Succeeded", "Failed")
            if life.live and kind == "ADDED":
                self._check(worker)
        if life.live and not life.told and _runs(pod):
            life.told = True
            self._play(worker)

    def _check(self, born: Worker) -> None:
        for other in (life.worker for life in self.lives.values() if life.live):
            same_job = (other.namespace, other.job) == (born.namespace, born.job)
            if same_job and (other.owner != born.owner or (other.index == born.index and other.uid != born.uid)):
                self.violations.append(f"{born.namespace}/{born.name} was made while {other.name} was live")

    def _play(self, worker: Worker) -> None:
        behaviour = self.behaviours.get((worker.namespace, worker.job))
        end = behaviour(worker) if behaviour else None
        if end is not None:
            self.end(worker, end)

    def end(self, worker: Worker, end: End) -> None:
        """Ends a worker that runs in some way."""
        annotations = ending(end.exit_code, end.message, end.after, end.reason)
        path = f"/api/v1/namespaces/{worker.namespace}/pods/{worker.name}"
        while not self._stop.is_set():
            try:
                self.client.patch(path, {"metadata": {"annotations": annotations}})
                return
            except ApiError as error:
                if error.status == 404:
                    return
            except OSError:
                self._stop.wait(0.2)


def _runs(pod: Object) -> bool:
    fixed = f"{PREFIX}/end-after" in pod["metadata"].get("annotations", {})
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"] and not fixed
