"""Names, labels and paths: every child object's are a function of the job and the step alone."""

from typing import Any

from trainwright.api import API_VERSION, GROUP, KIND
from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "trainwright"
JOB_LABEL = f"{GROUP}/job-name"
STEP_LABEL = f"{GROUP}/step"
ATTEMPT_LABEL = f"{GROUP}/attempt"
ROLE_LABEL = f"{GROUP}/replica-type"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"

TRAINER_CONTAINER = "trainer"
"""The container of every pod that runs the step."""


def child_name(job: TrainingJob, step: Step) -> str:
    """Name of the step's Job; its pods are named after it."""
    return f"{job.metadata.name}-{step.name}"


def service_name(job: TrainingJob) -> str:
    """Name of the headless Service that gives the pods their host names."""
    return job.metadata.name


def claim_name(job: TrainingJob) -> str:
    """Name of the PersistentVolumeClaim that the job's files are on."""
    return job.spec.storage.claim_name or job.metadata.name


def storage_folder(job: TrainingJob) -> str:
    """The job's folder on its claim.

    On a claim that outlives the job it is named after this very object: one that is made anew under the same name, most
    likely with another configuration, must not go on from the old one's checkpoints.
    """
    name = job.metadata.name
    return f"{name}-{job.metadata.uid[:8]}" if job.spec.storage.claim_name else name


def pod_labels(job: TrainingJob) -> dict[str, str]:
    """Labels that all pods of the job have, and no others."""
    return {JOB_LABEL: job.metadata.name}


def pod_selector(job: TrainingJob, step: Step) -> str:
    """Label selector of one step's pods."""
    return f"{JOB_LABEL}={job.metadata.name},{STEP_LABEL}={step.name}"


def metadata(job: TrainingJob, name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Metadata of a child object: owned by the job, so that deleting the job collects it."""
    owner = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job.metadata.name,
        "uid": job.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name,
        "namespace": job.metadata.namespace,
        "labels": {MANAGED_BY_LABEL: MANAGER, **pod_labels(job), **(labels or {})},
        "ownerReferences": [owner],
    }


def checkpoint_directory(step: Step) -> str:
    """Where the step's checkpoints are, relative to the storage's root."""
    return f"steps/{step.name}/checkpoints"


def output_directory(step: Step) -> str:
    """Where the step's artifact is, relative to the storage's root."""
    return f"steps/{step.name}/artifact"
