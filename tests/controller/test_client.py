"""What requests are counted as."""

import pytest

from trainwright.controller.client import _path, _resource
from trainwright.controller.watching import Lists


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        (_path("Job", "team-a", "digits-train"), "jobs"),
        (_path("Pod", "team-a"), "pods"),
        (_path("TrainingJob", None), "trainingjobs"),
        (f"{_path('TrainingJob', 'team-a', 'digits')}/status", "trainingjobs"),
        (_path("PodGroup", "team-a", api_version="scheduling.volcano.sh/v1beta1"), "podgroups"),
        (_path("Service", "team-a", api_version="v1"), "services"),
    ],
)
def test_a_request_is_counted_by_what_it_is_about(path: str, resource: str) -> None:
    assert _resource(path) == resource


def test_a_list_that_begins_anew_is_noticed() -> None:
    told: list[str] = []
    lists = Lists(told.append)

    def body(uid: str, namespace: str = "a", kind: str = "TrainingJob") -> dict:
        return {"kind": kind, "metadata": {"uid": uid, "namespace": namespace}}

    for uid in ("1", "2", "3"):
        lists.see(body(uid))
    lists.see(body("1", "b"))
    lists.see(body("1", kind="Job"))
    assert told == []
    for uid in ("1", "2", "4"):
        lists.see(body(uid))
    assert told == ["trainingjobs"]
