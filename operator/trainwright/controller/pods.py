"""What pods tell: how a worker ended, and why one doesn't start. Pods are listed only to be asked this."""

from collections.abc import Iterator, Sequence
from typing import Any

from trainwright.manifests.names import INDEX_ANNOTATION, TRAINER_CONTAINER
from trainwright.planning.observation import WorkerOutcome, read_result

Object = dict[str, Any]

_LONG_ENOUGH = 300
"""Characters of Kubernetes' own words that are passed on."""


def is_live(pod: Object) -> bool:
    """Whether any of the pod's containers runs or may still run."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def worker_outcome(pod: Object) -> WorkerOutcome:
    """How the worker in a pod ended."""
    status = pod.get("status", {})
    terminated = _trainer_state(status).get("terminated", {})
    message = terminated.get("message", "")
    return WorkerOutcome(
        index=int(pod["metadata"].get("annotations", {}).get(INDEX_ANNOTATION, 0)),
        exit_code=terminated.get("exitCode"),
        reason=status.get("reason") or terminated.get("reason", ""),
        result=read_result(message),
        last_words=message,
        disrupted=any(
            condition["type"] == "DisruptionTarget" and condition["status"] == "True"
            for condition in status.get("conditions", ())
        ),
    )


def explain_waiting(pods: Sequence[Object], events: Sequence[Object]) -> str:
    """Why a Job's pods don't run, in words a user can act on; empty when nothing is known to be wrong.

    Args:
        pods: the Job's pods.
        events: events of the Job itself, which tell why it has no pods.
    """
    reasons = list(dict.fromkeys(reason for pod in pods for reason in _pod_reasons(pod)))
    if not pods:
        reasons = [event["note"] for event in events if event.get("reason") == "FailedCreate"][-1:]
    return "; ".join(reasons)[:1000]


def _pod_reasons(pod: Object) -> Iterator[str]:
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')[:_LONG_ENOUGH]}"
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            image = f" (image {container.get('image', '')})" if "Image" in waiting["reason"] else ""
            yield f"{waiting['reason']}{image}: {waiting.get('message', '')[:_LONG_ENOUGH]}"


def _trainer_state(status: Object) -> Object:
    states = (
        item.get("state", {}) for item in status.get("containerStatuses", ()) if item["name"] == TRAINER_CONTAINER
    )
    state: Object = next(states, {})
    return state
