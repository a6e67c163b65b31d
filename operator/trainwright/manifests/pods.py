"""The pods of a step: the user's template with our container in it. What the step needs wins, then the user's words."""

from collections.abc import Sequence
from typing import Any

from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.environment import TERMINATION_PATH, step_environment
from trainwright.manifests.gang import gang_marks, gang_scheduler
from trainwright.manifests.names import (
    ATTEMPT_LABEL,
    ROLE_LABEL,
    STEP_LABEL,
    TRAINER_CONTAINER,
    claim_name,
    pod_labels,
    service_name,
    storage_folder,
)
from trainwright.manifests.rendezvous import group_command
from trainwright.manifests.roles import tasks_of, with_task
from trainwright.manifests.security import restricted_container, restricted_pod
from trainwright.manifests.site import METRICS_PORT, Site

Object = dict[str, Any]

STOP_SECONDS = 60
"""Time that a step has from SIGTERM to save a checkpoint."""

_SCRATCH: dict[str, Object] = {
    "/dev/shm": {"name": "trainwright-shm", "emptyDir": {"medium": "Memory"}},  # noqa: S108 - data loaders share memory
    "/tmp": {"name": "trainwright-tmp", "emptyDir": {}},  # noqa: S108 - the root file system is read-only
}
"""Volumes by where they are mounted, unless the user mounts something else there."""


def pod_template(job: TrainingJob, step: Step, attempt: int, site: Site, input_path: str | None) -> Object:
    """The PodTemplateSpec of the step's Job.

    It names the attempt, since a Job's template can't be changed: no attempt can be taken for another.
    """
    users = job.spec.workers.pod_spec
    trainer = _trainer(job, step, site, input_path)
    mounted = {mount["name"] for mount in trainer["volumeMounts"]}
    volumes = [_storage_volume(job), *(volume for volume in _SCRATCH.values() if volume["name"] in mounted)]
    spec: Object = {
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "automountServiceAccountToken": False,
        **users,
        "securityContext": restricted_pod(users.get("securityContext")),
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "subdomain": service_name(job),
        "containers": [restricted_container(container) for container in (trainer, *_sidecars(users))],
        "volumes": _ours_first("name", volumes, users.get("volumes")),
    }
    if beginners := users.get("initContainers"):
        spec["initContainers"] = [restricted_container(container) for container in beginners]
    scheduling = job.spec.scheduling
    if scheduling.priority_class_name:
        spec["priorityClassName"] = scheduling.priority_class_name
    if scheduler := scheduling.scheduler_name or users.get("schedulerName") or gang_scheduler(job):
        spec["schedulerName"] = scheduler
    return {"metadata": _metadata(job, step, attempt), "spec": spec}


def _metadata(job: TrainingJob, step: Step, attempt: int) -> Object:
    """The user's labels and annotations, and ours, which nobody can take away."""
    users = job.spec.workers.template.get("metadata") or {}
    ours = {
        "labels": {
            **pod_labels(job),
            STEP_LABEL: step.name,
            ATTEMPT_LABEL: str(attempt),
            ROLE_LABEL: "worker" if step.distributed else step.kind,
        }
    }
    merged = {
        part: {**(users.get(part) or {}), **ours.get(part, {}), **gang_marks(job, step).get(part, {})}
        for part in ("labels", "annotations")
    }
    return {part: words for part, words in merged.items() if words}


def _trainer(job: TrainingJob, step: Step, site: Site, input_path: str | None) -> Object:
    users = job.spec.workers.trainer_container
    run = step.run
    image = (run.image if run else None) or users.get("image") or site.image(job.spec.framework)
    taken = {mount.get("mountPath") for mount in users.get("volumeMounts") or ()}
    mounts: list[Object] = [
        {"name": "trainwright-storage", "mountPath": site.root, "subPath": storage_folder(job)},
        *({"name": volume["name"], "mountPath": path} for path, volume in _SCRATCH.items() if path not in taken),
    ]
    metrics = {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}
    return {
        **users,
        "securityContext": {"readOnlyRootFilesystem": True, **(users.get("securityContext") or {})},
        "name": TRAINER_CONTAINER,
        "image": image,
        "command": _command(job, step),
        "env": _ours_first("name", step_environment(job, step, site, input_path), users.get("env")),
        "ports": _ours_first("containerPort", [metrics], users.get("ports")),
        "volumeMounts": _ours_first("mountPath", mounts, users.get("volumeMounts")),
        "terminationMessagePath": TERMINATION_PATH,
        "terminationMessagePolicy": "File",
    }


def _command(job: TrainingJob, step: Step) -> list[str]:
    framework, run = job.spec.framework, step.run
    if run is None:
        return ["python", "-m", f"trainwright_trainers.{framework}"]
    if run.roles is not None:
        return with_task(framework, run.command, tasks_of(job, step))
    return group_command(framework, run.command) if run.distributed else list(run.command)


def _ours_first(key: str, ours: Sequence[Object], users: Sequence[Object] | None) -> list[Object]:
    """Both lists, without those of the user's that would stand in the place of ours.

    Ours come first, so that the user's variables can refer to them.
    """
    taken = {item[key] for item in ours}
    return [*ours, *(item for item in users or () if item.get(key) not in taken)]


def _sidecars(pod_spec: Object) -> list[Object]:
    return [item for item in pod_spec.get("containers") or () if item.get("name") != TRAINER_CONTAINER]


def _storage_volume(job: TrainingJob) -> Object:
    return {"name": "trainwright-storage", "persistentVolumeClaim": {"claimName": claim_name(job)}}
