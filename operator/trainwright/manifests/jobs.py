"""The Job of a step. Kubernetes' own controller makes its pods; we decide whether a failed group runs again.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from typing import Any

from trainwright.api.contract import EXIT_DONE, EXIT_STOPPED
from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.elasticity import ELASTIC_LABEL, Bounds, bounds_of
from trainwright.manifests.names import ATTEMPT_LABEL, STEP_LABEL, TRAINER_CONTAINER, child_name, metadata
from trainwright.manifests.pods import pod_template
from trainwright.manifests.roles import deciding_indexes
from trainwright.manifests.site import Site

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Kueue's label; with it, the Job's `suspend` is Kueue's to set."""


def step_job(job: TrainingJob, step: Step, attempt: int, input_path: str | None, site: Site) -> dict[str, Any]:
    """The step's Job: indexed with a pod a worker when the step is distributed, else one pod.

    Its name is the same in every attempt, so that there are never two: an attempt can begin only when the Job of the
    one before, and with it its last pod, is gone.
    """
    replicas = job.spec.workers.replicas if step.distributed else 1
    labels = {STEP_LABEL: step.name, ATTEMPT_LABEL: str(attempt)}
    bounds = bounds_of(job, step)
    spec: dict[str, Any] = {
        "completionMode": "Indexed" if step.distributed else "NonIndexed",
        "completions": replicas,
        "parallelism": replicas,
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules(bounds)},
        "template": pod_template(job, step, attempt, site, input_path),
    }
    if bounds is not None:
        labels[ELASTIC_LABEL] = str(bounds)
    # A worker that comes when the others are done has nothing to join any more, and a parameter server never ends.
    deciding = "0" if bounds is not None else deciding_indexes(job, step)
    if deciding is not None:
        spec["successPolicy"] = {"rules": [{"succeededIndexes": deciding}]}
    if queue := job.spec.scheduling.queue_name:
        labels[QUEUE_LABEL] = queue
        spec["suspend"] = True
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(job, child_name(job, step), labels),
        "spec": spec,
    }


def _failure_rules(bounds: Bounds | None) -> list[dict[str, Any]]:
    """One failed worker ends the group in any case; by the rules, the Job's condition tells how it ended, also when the
    pod is gone. A disruption comes first: such a pod has an exit code, too.

    The rules hold for the workers as well that an elastic group is rid of, which end as stopped on request.
    """
    not_failed = [EXIT_DONE] if bounds is None else [EXIT_DONE, EXIT_STOPPED]
    return [
        {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailJob",
            "onExitCodes": {"containerName": TRAINER_CONTAINER, "operator": "NotIn", "values": not_failed},
        },
    ]
