"""The two that are compared: TrainingJobs with our operator, and the very same Services and Jobs with none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.load.client import Client
from benchmarks.load.namespaces import CLAIM
from testbed.fakes import ending
from trainwright.api import API_VERSION, GROUP, KIND, PLURAL, VERSION
from trainwright.api.validation import load_job
from trainwright.manifests.children import step_children
from trainwright.manifests.names import MANAGED_BY_LABEL
from trainwright.manifests.site import ClusterSite

Object = dict[str, Any]

POD_SECONDS = "1s"
"""How long a worker runs; then it ends well."""


@dataclass(frozen=True)
class Contender:
    """One way to get a step's pods.

    Attributes:
        name: for the table.
        collection: path of the objects that tell when the work is done, with `{namespace}` to fill in.
    """

    name: str
    collection: str

    def bodies(self, name: str, namespace: str, workers: int) -> Sequence[tuple[str, Object]]:
        """What the benchmark creates for one job, in order, each with the path of its collection."""
        raise NotImplementedError

    async def create(self, client: Client, name: str, namespace: str, workers: int) -> None:
        """Creates one job's objects."""
        for path, body in self.bodies(name, namespace, workers):
            await client.create(path, body)


class WithOperator(Contender):
    """The benchmark creates a TrainingJob, the operator does the rest."""

    def bodies(self, name: str, namespace: str, workers: int) -> Sequence[tuple[str, Object]]:
        """The TrainingJob."""
        return [(self.collection.format(namespace=namespace), training_job(name, namespace, workers))]


class Floor(Contender):
    """The benchmark creates what the operator would, all at once and knowing what comes: no operator can be faster."""

    def bodies(self, name: str, namespace: str, workers: int) -> Sequence[tuple[str, Object]]:
        """The objects that the operator makes for a step, with nobody as their owner or manager."""
        job = load_job(training_job(name, namespace, workers) | {"status": {}})
        children = step_children(job, job.spec.steps[0], 1, None, ClusterSite())
        for child in children:
            del child["metadata"]["ownerReferences"]
            child["metadata"]["labels"][MANAGED_BY_LABEL] = "floor"
        paths = {
            "NetworkPolicy": f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
            "Service": f"/api/v1/namespaces/{namespace}/services",
            "Job": self.collection,
        }
        return [(paths[child["kind"]].format(namespace=namespace), child) for child in children]


FLOOR = Floor("floor", "/apis/batch/v1/namespaces/{namespace}/jobs")
OPERATOR = WithOperator("operator", f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}")


def training_job(name: str, namespace: str, workers: int) -> Object:
    """A job of one step, the user's own program, on storage that is there."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "framework": "pytorch",
            "workers": {
                "replicas": workers,
                "template": {"metadata": {"annotations": ending(after=POD_SECONDS)}},
            },
            "storage": {"claimName": CLAIM},
            "steps": [{"name": "script", "run": {"image": "example/script:1", "command": ["./script"]}}],
        },
    }


def is_complete(body: Object) -> bool:
    """Whether a Job or a TrainingJob says that it is done."""
    conditions = body.get("status", {}).get("conditions", ())
    return any(item["type"] == "Complete" and item["status"] == "True" for item in conditions)


def has_failed(body: Object) -> bool:
    """Whether it says that it never will be."""
    conditions = body.get("status", {}).get("conditions", ())
    return any(item["type"] == "Failed" and item["status"] == "True" for item in conditions)
