"""Gang scheduling: the group's pods start together or not at all.

A PodGroup is named after the size of its group, too: one that is there is never changed, and a resized group must not
wait for as many pods as the one before had.
Sources: https://volcano.sh/en/docs/podgroup/ and
https://github.com/kubernetes-sigs/scheduler-plugins/tree/master/pkg/coscheduling
"""

from dataclasses import dataclass
from typing import Any, Literal

from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.names import child_name, metadata


@dataclass(frozen=True)
class _Scheduler:
    """Who schedules gangs, and how its pods name their group."""

    name: str
    api_version: str
    mark: Literal["labels", "annotations"]
    key: str


_SCHEDULERS = {
    "volcano": _Scheduler("volcano", "scheduling.volcano.sh/v1beta1", "annotations", "scheduling.k8s.io/group-name"),
    "coscheduling": _Scheduler(
        "scheduler-plugins-scheduler", "scheduling.x-k8s.io/v1alpha1", "labels", "scheduling.x-k8s.io/pod-group"
    ),
}


def gang_scheduler(job: TrainingJob) -> str | None:
    """The scheduler that the job's gangs need."""
    scheduler = _SCHEDULERS.get(job.spec.scheduling.gang)
    return scheduler.name if scheduler else None


def pod_groups(job: TrainingJob, step: Step) -> list[dict[str, Any]]:
    """The step's PodGroup; none where no gang is asked for or the step has one pod only."""
    scheduler = _scheduler(job, step)
    if scheduler is None:
        return []
    group: dict[str, Any] = {
        "apiVersion": scheduler.api_version,
        "kind": "PodGroup",
        "metadata": metadata(job, _group_name(job, step)),
        "spec": {"minMember": job.spec.workers.replicas},
    }
    if scheduler.name == "volcano" and (priority := job.spec.scheduling.priority_class_name):
        group["spec"]["priorityClassName"] = priority
    return [group]


def gang_marks(job: TrainingJob, step: Step) -> dict[str, dict[str, str]]:
    """The labels or annotations by which a pod belongs to its PodGroup."""
    scheduler = _scheduler(job, step)
    return {scheduler.mark: {scheduler.key: _group_name(job, step)}} if scheduler else {}


def _scheduler(job: TrainingJob, step: Step) -> _Scheduler | None:
    return _SCHEDULERS.get(job.spec.scheduling.gang) if step.distributed else None


def _group_name(job: TrainingJob, step: Step) -> str:
    return f"{child_name(job, step)}-of-{job.spec.workers.replicas}"
