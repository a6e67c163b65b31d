"""A gang's pods start together or not at all."""

import pytest

from tests.manifests.build import Object, children, make_job

ONCE = {"name": "once", "run": {"command": ["x"], "distributed": False}}


def gang(scheduler: str, **spec: object) -> tuple[Object, Object]:
    """The PodGroup, and the metadata of the pods."""
    made = children(make_job(scheduling={"gang": scheduler}, **spec))
    assert list(made) == ["PersistentVolumeClaim", "Service", "NetworkPolicy", "PodGroup", "Job"]
    return made["PodGroup"], made["Job"]["spec"]["template"]["metadata"]


def test_volcano() -> None:
    group, pod = gang("volcano", workers={"replicas": 3})
    assert group["apiVersion"] == "scheduling.volcano.sh/v1beta1"
    assert group["spec"] == {"minMember": 3}
    assert pod["annotations"] == {"scheduling.k8s.io/group-name": group["metadata"]["name"]}


def test_volcano_orders_gangs_by_their_priority() -> None:
    made = children(make_job(scheduling={"gang": "volcano", "priorityClassName": "high"}))
    assert made["PodGroup"]["spec"]["priorityClassName"] == "high"


def test_coscheduling() -> None:
    group, pod = gang("coscheduling", workers={"replicas": 3})
    assert group["apiVersion"] == "scheduling.x-k8s.io/v1alpha1"
    assert group["spec"] == {"minMember": 3}
    assert pod["labels"]["scheduling.x-k8s.io/pod-group"] == group["metadata"]["name"]
    assert "annotations" not in pod


def test_a_gang_is_owned_by_the_job() -> None:
    group, _ = gang("volcano")
    assert group["metadata"]["ownerReferences"][0]["name"] == "digits"


def test_a_resized_gang_is_another_one() -> None:
    """An object that is there is never changed, and two pods would wait for ever in a gang of four."""
    names = {gang("volcano", workers={"replicas": replicas})[0]["metadata"]["name"] for replicas in (2, 4)}
    assert names == {"digits-script-of-2", "digits-script-of-4"}


@pytest.mark.parametrize("scheduler", ["none", "volcano", "coscheduling"])
def test_one_pod_is_no_gang(scheduler: str) -> None:
    made = children(make_job(scheduling={"gang": scheduler}, steps=[ONCE]))
    assert "PodGroup" not in made
    assert "annotations" not in made["Job"]["spec"]["template"]["metadata"]


def test_without_a_gang_there_is_no_group() -> None:
    assert "PodGroup" not in children(make_job())
