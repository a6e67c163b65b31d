"""What is read from pods and told to people."""

from typing import Any

import pytest

from trainwright.controller.pods import explain_waiting, is_live, worker_outcome


def pod(*containers: dict[str, Any], index: str | None = "1", **status: Any) -> dict[str, Any]:
    annotations = {"batch.kubernetes.io/job-completion-index": index} if index else {}
    return {"metadata": {"annotations": annotations}, "status": {"containerStatuses": list(containers)} | status}


def waiting(reason: str, message: str = "", image: str = "trainer:1", name: str = "trainer") -> dict[str, Any]:
    return {"name": name, "image": image, "state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, name: str = "trainer", **more: Any) -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, **more}}}


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
}
QUOTA = {"reason": "FailedCreate", "note": 'Error creating: pods "x" is forbidden: exceeded quota'}

EXPLANATIONS: dict[str, tuple[list[Any], list[Any], str]] = {
    "nothing is there": ([], [], ""),
    "containers are being made": ([pod(waiting("ContainerCreating")), pod(waiting("PodInitializing"))], [], ""),
    "no node": (
        [pod(conditions=[UNSCHEDULABLE])],
        [],
        "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    ),
    "the same for all": (
        [pod(conditions=[UNSCHEDULABLE]), pod(conditions=[UNSCHEDULABLE])],
        [],
        "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    ),
    "no image": ([pod(waiting("ErrImagePull", "not found"))], [], "ErrImagePull (image trainer:1): not found"),
    "no image, in words without one": ([pod(waiting("ImagePullBackOff"))], [], "ImagePullBackOff (image trainer:1): "),
    "an init container": (
        [pod(initContainerStatuses=[waiting("CreateContainerConfigError", "no secret", name="init")])],
        [],
        "CreateContainerConfigError: no secret",
    ),
    "a gate holds it": (
        [pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}])],
        [],
        "SchedulingGated: ",
    ),
    "no pods": ([], [{"reason": "SuccessfulCreate", "note": "x"}, QUOTA], QUOTA["note"]),
    "pods win over old events": ([pod(waiting("ContainerCreating"))], [QUOTA], ""),
    "two reasons": (
        [pod(conditions=[UNSCHEDULABLE]), pod(waiting("InvalidImageName", "bad"))],
        [],
        "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.; "
        "InvalidImageName (image trainer:1): bad",
    ),
}


@pytest.mark.parametrize("case", EXPLANATIONS)
def test_why_pods_do_not_run(case: str) -> None:
    pods, events, words = EXPLANATIONS[case]
    assert explain_waiting(pods, events) == words


def test_a_long_story_is_cut() -> None:
    pods = [pod(waiting("ErrImagePull", f"{number} " + "x" * 5000)) for number in range(20)]
    assert len(explain_waiting(pods, [])) == 1000


def test_a_worker_that_ended() -> None:
    outcome = worker_outcome(pod(ended(0, "sidecar"), ended(137, reason="OOMKilled", message="last words")))
    assert (outcome.index, outcome.exit_code, outcome.reason, outcome.last_words) == (1, 137, "OOMKilled", "last words")
    assert not outcome.disrupted
    assert outcome.result is None


def test_a_result_in_the_termination_message() -> None:
    outcome = worker_outcome(pod(ended(0, message='{"outcome": "Succeeded"}')))
    assert outcome.result is not None
    assert outcome.result.outcome == "Succeeded"


def test_a_pod_that_never_ran() -> None:
    outcome = worker_outcome({"metadata": {}, "status": {"reason": "Evicted"}})
    assert (outcome.index, outcome.exit_code, outcome.reason) == (0, None, "Evicted")


@pytest.mark.parametrize(("status", "disrupted"), [("True", True), ("False", False)])
def test_a_disrupted_pod(status: str, disrupted: bool) -> None:
    conditions = [{"type": "Ready", "status": "True"}, {"type": "DisruptionTarget", "status": status}]
    assert worker_outcome(pod(ended(143), conditions=conditions)).disrupted is disrupted


@pytest.mark.parametrize(
    ("phase", "live"),
    [("Pending", True), ("Running", True), ("Unknown", True), ("Succeeded", False), ("Failed", False)],
)
def test_only_an_ended_pod_is_not_live(phase: str, live: bool) -> None:
    assert is_live({"status": {"phase": phase}}) is live
