"""The operator as a process: its health tells the truth, it stops in good order, and it keeps to its namespaces."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed import ControlPlane, operator, wait_until
from testbed.faults import FaultyProxy
from testbed.helm import render
from testbed.operator import OperatorProcess
from tests.cluster.pods import End
from tests.cluster.trainingjobs import TrainingJobs

BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/trainwright-operator"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{operator.NAMESPACE}/leases/trainwright-operator"


@pytest.fixture
def kubeconfig(installed: ControlPlane, tmp_path: Path) -> Path:
    return installed.service_account_kubeconfig(operator.NAMESPACE, operator.SERVICE_ACCOUNT, tmp_path)


@pytest.fixture
def not_cluster_wide(installed: ControlPlane) -> Iterator[None]:
    """The operator has no right that a test doesn't give it."""
    installed.client.delete(BINDING)
    yield
    operator.apply(installed, operator.installed_objects("ClusterRoleBinding"))


def test_an_operator_of_one_namespace_needs_no_right_elsewhere(
    installed: ControlPlane,
    unattended_jobs: TrainingJobs,
    kubeconfig: Path,
    tmp_path: Path,
    not_cluster_wide: None,
    helm_program: None,
) -> None:
    jobs, begin = unattended_jobs, datetime.now(UTC)
    rights = render({"namespaces": [jobs.namespace]})
    operator.apply(installed, [body for body in rights if body["metadata"].get("namespace") == jobs.namespace])
    elsewhere = TrainingJobs(jobs.client, jobs.pods, "default")
    elsewhere.create("elsewhere")
    process = OperatorProcess(kubeconfig, tmp_path, namespaces=[jobs.namespace])
    try:
        process.start_ready()
        jobs.create("here", behave=lambda worker: End())
        jobs.wait("here", "Complete")
        assert "status" not in elsewhere.get("elsewhere")
    finally:
        process.stop()
        elsewhere.delete("elsewhere")
    asked = [event for event in installed.audit_events(operator.USER) if event.received >= begin]
    assert asked
    assert [event for event in asked if event.forbidden] == []


def test_health_tells_the_truth_and_a_stop_gives_the_lease_back(
    installed: ControlPlane, kubeconfig: Path, tmp_path: Path
) -> None:
    with FaultyProxy(kubeconfig) as network:
        network.cut_off()
        process = OperatorProcess(network.kubeconfig(tmp_path / "proxied"), tmp_path)
        try:
            process.start(lambda: process.answers("livez"))
            assert not process.answers("readyz")  # it knows nothing yet
            network.restore()
            process.wait(lambda: process.answers("readyz"))
            wait_until(lambda: holder(installed) == tmp_path.name, "it leads", 25)
        finally:
            process.stop()
    assert holder(installed) == ""
    assert process.exit_code == 0
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert {"time", "level", "logger", "message"} <= lines[0].keys()
    assert [line["identity"] for line in lines if line["message"] == "leading"] == [tmp_path.name]


def holder(plane: ControlPlane) -> str:
    name: str = plane.client.get(LEASE)["spec"]["holderIdentity"]
    return name
