"""The operator's rights: it has all that it needs, and needs all that it has."""

from collections.abc import Iterator
from datetime import UTC, datetime

from testbed import ControlPlane, operator, wait_until
from tests.cluster.pods import End
from tests.cluster.trainingjobs import TrainingJobs

Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""

ASKED_BY_ADMISSION: set[Right] = {("trainwright.dev", "trainingjobs/finalizers", "update")}
"""Checked by an admission plug-in that not every cluster has; nothing is ever sent there."""


def granted() -> Iterator[Right]:
    """What the roles say that are bound to the operator."""
    bindings = operator.installed_objects("ClusterRoleBinding", "RoleBinding")
    bound = [binding["roleRef"]["name"] for binding in bindings]
    for role in operator.installed_objects("ClusterRole", "Role"):
        for rule in role["rules"] if role["metadata"]["name"] in bound else ():
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((group, resource, verb) for verb in rule["verbs"])


def asked(plane: ControlPlane) -> dict[Right, int]:
    """What the operator has asked for in the whole run, with an answer's status."""
    return {
        (event.api_group, "/".join(filter(None, (event.resource, event.subresource))), event.verb): event.code
        for event in plane.audit_events(operator.USER)
        if event.resource
    }


def test_every_right_is_used_and_no_other_is_asked_for(
    jobs: TrainingJobs, own_control_plane: ControlPlane, pod_group_crds: None
) -> None:
    begin = datetime.now(UTC)  # an API server that restarts refuses everything for a moment
    do_everything(jobs)
    rights = set(granted())
    wait_until(lambda: rights - asked(own_control_plane).keys() <= ASKED_BY_ADMISSION, "every right is used")
    assert asked(own_control_plane).keys() <= rights
    events = [event for event in own_control_plane.audit_events(operator.USER) if event.received >= begin]
    assert [event for event in events if event.forbidden or event.code == 401] == []


def do_everything(jobs: TrainingJobs) -> None:
    """Jobs that are deleted when they are done, wait for pods that can't be made, and whose children are made anew."""
    jobs.create("brief", behave=lambda worker: End(), runPolicy={"ttlSecondsAfterFinished": 0})
    storage = {"size": "1Gi", "storageClassName": "manual"}
    train = {"name": "train", "train": {}}
    for gang in ("volcano", "coscheduling"):
        jobs.create(gang, train, replicas=2, storage=storage, scheduling={"gang": gang})
    jobs.create("elastic", train, workers={"replicas": 1, "minReplicas": 1, "maxReplicas": 2})
    jobs.running("elastic", 1)
    jobs.scale("elastic", 2)
    jobs.create("paused", train)
    jobs.running("paused", 1)
    jobs.suspend("paused")
    jobs.create("unwanted", workers={"template": {"metadata": {"annotations": {}}, "spec": {"hostNetwork": True}}})
    for gang in ("volcano", "coscheduling"):
        wait_until(lambda gang=gang: jobs.jobs(gang), "the Job is there")
        jobs.client.delete(
            f"/apis/batch/v1/namespaces/{jobs.namespace}/jobs/{gang}-train", propagationPolicy="Background"
        )
    jobs.wait_gone("brief")


def test_no_wildcard_no_secret_and_no_change_to_pods() -> None:
    rights = set(granted())
    assert not [right for right in rights if "*" in right or right[1] == "secrets"]
    assert {verb for group, resource, verb in rights if resource == "pods"} == {"list", "watch"}


def test_only_pods_that_have_succeeded_are_watched(jobs: TrainingJobs, own_control_plane: ControlPlane) -> None:
    jobs.create("brief", behave=lambda worker: End())
    jobs.wait("brief", "Complete")
    watches = [
        event
        for event in own_control_plane.audit_events(operator.USER)
        if (event.verb, event.resource) == ("watch", "pods")
    ]
    assert watches
    assert all("fieldSelector=status.phase%3DSucceeded" in watch.uri for watch in watches)
