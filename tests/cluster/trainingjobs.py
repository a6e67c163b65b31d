"""TrainingJobs of one namespace: made, changed, followed."""

from collections.abc import Callable, Sequence
from typing import Any

from testbed import ApiClient, ApiError, wait_until
from testbed.fakes import stopping
from tests.cluster.pods import Behaviour, Life, Pods

Object = dict[str, Any]

SCRIPT = {"name": "script", "run": {"command": ["./script"]}}
TRAIN = {"name": "train", "train": {}}
PRUNE = {"name": "prune", "prune": {"method": "l1-structured", "amount": 0.5}}
INT8 = {"name": "int8", "quantize": {"scheme": "int8-static"}}
ONNX = {"name": "onnx", "export": {"format": "onnx"}}

CLAIM = "data"
"""A claim that is there in every test's namespace, and bound."""


class TrainingJobs:
    """The TrainingJobs of a namespace, and what the workers in their pods do."""

    def __init__(self, client: ApiClient, pods: Pods, namespace: str) -> None:
        self.client, self.pods, self.namespace = client, pods, namespace
        self.path = f"/apis/trainwright.dev/v1alpha1/namespaces/{namespace}/trainingjobs"

    def create(
        self,
        name: str,
        *steps: Object,
        behave: Behaviour | None = None,
        replicas: int = 1,
        stop_after: str = "",
        labels: dict[str, str] | None = None,
        **spec: Any,
    ) -> Object:
        """Makes a job whose workers do what `behave` says; they run until they are deleted where it is left out."""
        if behave is not None:
            self.pods.behaviours[self.namespace, name] = behave
        template = {"metadata": {"annotations": stopping(stop_after)}} if stop_after else {}
        body = {
            "apiVersion": "trainwright.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {
                "framework": "pytorch",
                "model": {"factory": "m:model"},
                "data": {"factory": "m:data"},
                "workers": {"replicas": replicas, "template": template},
                "storage": {"claimName": CLAIM},
                "steps": list(steps or (SCRIPT,)),
            }
            | spec,
        }
        return self.client.post(self.path, body, fieldValidation="Strict")

    def get(self, name: str) -> Object:
        return self.client.get(f"{self.path}/{name}")

    def all(self) -> list[Object]:
        items: list[Object] = self.client.get(self.path)["items"]
        return items

    def patch(self, name: str, **spec: Any) -> Object:
        """Changes parts of the spec, as `kubectl patch` does."""
        return self.client.patch(f"{self.path}/{name}", {"spec": spec})

    def scale(self, name: str, replicas: int) -> None:
        """What `kubectl scale` does."""
        self.client.patch(f"{self.path}/{name}/scale", {"spec": {"replicas": replicas}})

    def delete(self, name: str) -> None:
        self.client.delete(f"{self.path}/{name}")

    def suspend(self, name: str, suspend: bool = True) -> None:
        self.patch(name, runPolicy={"suspend": suspend})

    def phase(self, name: str) -> str | None:
        phase: str | None = self.get(name).get("status", {}).get("phase")
        return phase

    def wait(self, name: str, phase: str, seconds: float = 60) -> Object:
        """Waits for a phase and returns the status."""
        return self.wait_for(name, lambda status: status.get("phase") == phase, f"is {phase}", seconds)

    def wait_for(self, name: str, holds: Callable[[Object], bool], what: str, seconds: float = 60) -> Object:
        """Waits until the job's status is so and returns it; the error shows the last status."""
        status: Object = {}

        def probe() -> bool:
            nonlocal status
            status = self.get(name).get("status", {})
            return holds(status)

        try:
            wait_until(probe, f"{name} {what}", seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{status}\n{self.events(name)}") from None
        return status

    def wait_gone(self, name: str, seconds: float = 60) -> None:
        wait_until(lambda: not exists(self.client, f"{self.path}/{name}"), f"{name} is gone", seconds)

    def running(self, name: str, count: int, seconds: float = 60) -> list[Life]:
        """Waits until so many workers of the job are live and the status says Running; returns them."""
        self.wait_for(
            name, lambda status: status.get("phase") == "Running" and status["replicas"] == count, "is Running", seconds
        )
        return self.live(name)

    def live(self, name: str) -> list[Life]:
        return [life for life in self.pods.of(self.namespace, name) if life.live]

    def jobs(self, name: str) -> list[Object]:
        """The child Jobs that are there."""
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        items: list[Object] = self.client.get(path, labelSelector=f"trainwright.dev/job-name={name}")["items"]
        return items

    def reasons(self, name: str, last: str) -> list[str]:
        """The events' reasons, once the last one is there: events are sent after the status is written."""
        wait_until(lambda: last in dict(self.events(name)), f"{last} of {name} is told")
        return [reason for reason, _ in self.events(name)]

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and note of the events about a job, in the order in which they happened."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        items = self.client.get(path)["items"]
        mine = [item for item in items if item["regarding"].get("kind") == "TrainingJob"]
        mine = [item for item in mine if item["regarding"]["name"] == name]
        return [(item["reason"], item["note"]) for item in sorted(mine, key=lambda item: item["eventTime"])]

    def kinds_left(self, name: str) -> dict[str, list[str]]:
        """Names of what belongs to a job, by the kind's plural."""
        core, batch = f"/api/v1/namespaces/{self.namespace}", f"/apis/batch/v1/namespaces/{self.namespace}"
        policies = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/networkpolicies"
        paths = [f"{core}/pods", f"{core}/services", f"{core}/persistentvolumeclaims", policies, f"{batch}/jobs"]
        found = {
            path: self.client.get(path, labelSelector=f"trainwright.dev/job-name={name}")["items"] for path in paths
        }
        return {
            path.rsplit("/", 1)[1]: [item["metadata"]["name"] for item in items]
            for path, items in found.items()
            if items
        }


def condition(status: Object, kind: str) -> Object:
    """A condition of a status; empty where it is not there."""
    return next((item for item in status.get("conditions", ()) if item["type"] == kind), {})


def attempts(lives: Sequence[Life]) -> list[tuple[str, int, int]]:
    """Step, attempt and index of pods."""
    return [(life.worker.step, life.worker.attempt, life.worker.index) for life in lives]


def exists(client: ApiClient, path: str) -> bool:
    try:
        client.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True
