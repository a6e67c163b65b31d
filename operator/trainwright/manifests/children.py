"""All objects that one step of a job needs."""

from typing import Any

from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.gang import pod_groups
from trainwright.manifests.jobs import step_job
from trainwright.manifests.names import metadata, pod_labels, service_name
from trainwright.manifests.network import network_policy
from trainwright.manifests.site import Site

Object = dict[str, Any]


def step_children(job: TrainingJob, step: Step, attempt: int, input_path: str | None, site: Site) -> list[Object]:
    """The objects, in the order in which they are to be applied."""
    claim = [] if job.spec.storage.claim_name else [storage_claim(job)]
    policy = [network_policy(job)] if site.isolated else []
    job_of_step = step_job(job, step, attempt, input_path, site)
    return [*claim, headless_service(job), *policy, *pod_groups(job, step), job_of_step]


def headless_service(job: TrainingJob) -> Object:
    """The Service whose only purpose is the pods' host names, which must resolve before they are ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(job, service_name(job)),
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": pod_labels(job)},
    }


def storage_claim(job: TrainingJob) -> Object:
    """The claim that checkpoints and artifacts are kept on; it is deleted with the job."""
    storage, workers = job.spec.storage, job.spec.workers
    many = max(workers.replicas, workers.max_replicas or 1) > 1
    spec: Object = {
        "accessModes": storage.access_modes or ["ReadWriteMany" if many else "ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size or "10Gi"}},
    }
    if storage.storage_class_name:
        spec["storageClassName"] = storage.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(job, job.metadata.name),
        "spec": spec,
    }
