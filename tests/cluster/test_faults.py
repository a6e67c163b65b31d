"""The operator killed, frozen and cut off, and with an API server that fails it: nothing is lost or doubled."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import pytest

from testbed import ControlPlane, operator, wait_until
from testbed.fakes import ending
from testbed.faults import Faults, FaultyProxy
from testbed.operator import OperatorProcess
from tests.cluster.trainingjobs import SCRIPT, TrainingJobs

SECOND = SCRIPT | {"name": "second"}
KILLS = 6
MANY = 50
TAKE_OVER_SECONDS = 25
"""The lease's 15 s, two rounds of the election and the machine's own slowness."""


@pytest.fixture
def kubeconfig(installed: ControlPlane, tmp_path: Path) -> Path:
    return installed.service_account_kubeconfig(operator.NAMESPACE, operator.SERVICE_ACCOUNT, tmp_path)


@pytest.fixture
def replica(kubeconfig: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """One replica that leads."""
    process = make_replica(kubeconfig, tmp_path, "replica")
    process.start_ready()
    yield process
    process.stop()


def make_replica(kubeconfig: Path, tmp_path: Path, name: str) -> OperatorProcess:
    (folder := tmp_path / name).mkdir()
    return OperatorProcess(kubeconfig, folder)


def create_many(jobs: TrainingJobs, count: int, prefix: str = "job") -> None:
    """Jobs of two steps whose pods end by themselves; every fifth has two workers."""
    dice = random.Random(count)
    for number in range(count):
        replicas = 2 if number % 5 == 0 else 1
        template = {"metadata": {"annotations": ending(after=f"{dice.uniform(0.2, 3):.1f}s")}}
        workers = {"replicas": replicas, "template": template}
        jobs.create(f"{prefix}-{number}", SCRIPT, SECOND, workers=workers)


def all_complete(jobs: TrainingJobs) -> bool:
    return all(job.get("status", {}).get("phase") == "Complete" for job in jobs.all())


def wait_all_complete(jobs: TrainingJobs, seconds: float = 120) -> None:
    try:
        wait_until(lambda: all_complete(jobs), "all jobs are Complete", seconds)
    except TimeoutError:
        left = {job["metadata"]["name"]: job.get("status") for job in jobs.all()}
        raise TimeoutError({name: s for name, s in left.items() if (s or {}).get("phase") != "Complete"}) from None


def assert_nothing_was_made_twice(plane: ControlPlane, jobs: TrainingJobs) -> None:
    """Each child was created once, each worker ran once, no attempt was counted twice.

    The audit log has no code for a request whose sender was killed before the answer came.
    """
    created = Counter(
        (event.resource, event.name)
        for event in plane.audit_events()
        if event.verb == "create" and event.code == 201 and event.namespace == jobs.namespace
        if event.resource in ("jobs", "networkpolicies", "services")
        and event.user.startswith(f"system:serviceaccount:{operator.NAMESPACE}")
    )
    names = [job["metadata"]["name"] for job in jobs.all()]
    expected = {(kind, name) for name in names for kind in ("networkpolicies", "services")}
    expected |= {("jobs", f"{name}-{step}") for name in names for step in ("script", "second")}
    assert created.keys() <= expected
    assert set(created.values()) == {1}
    there = {(kind, name) for job in names for kind, found in jobs.kinds_left(job).items() for name in found}
    assert {child for child in there if child[0] != "pods"} == expected
    assert {(job["metadata"]["name"], job["status"]["restarts"]) for job in jobs.all()} == {(name, 0) for name in names}
    pods = Counter((life.worker.job, life.worker.step, life.worker.index) for life in jobs.pods.of(jobs.namespace))
    assert set(pods.values()) == {1}


def test_killed_at_random_moments(
    installed: ControlPlane, unattended_jobs: TrainingJobs, replica: OperatorProcess
) -> None:
    dice = random.Random(11)
    create_many(unattended_jobs, MANY)
    for _ in range(KILLS):
        time.sleep(dice.uniform(0, 1.5))
        replica.kill()
        replica.launch()
        replica.wait(lambda: replica.answers("readyz"))
    wait_all_complete(unattended_jobs)
    assert_nothing_was_made_twice(installed, unattended_jobs)


def test_one_of_two_replicas_acts_whatever_happens_to_it(
    installed: ControlPlane, unattended_jobs: TrainingJobs, kubeconfig: Path, tmp_path: Path
) -> None:
    """The leader is killed, frozen, cut off and stopped in good order; each time the other one takes over."""
    jobs = unattended_jobs
    other_user = operator.second_service_account(installed, "second-replica")
    direct = installed.service_account_kubeconfig(operator.NAMESPACE, "second-replica", tmp_path)
    second = make_replica(direct, tmp_path, "second")
    with FaultyProxy(kubeconfig) as network:
        first = make_replica(network.kubeconfig(tmp_path / "proxied"), tmp_path, "first")
        try:
            first.start_ready()
            wait_until(lambda: holder(installed) == "first", "the first replica leads", TAKE_OVER_SECONDS)
            second.start_ready()
            run_some(jobs, "first")

            first.kill()
            run_some(jobs, "killed")
            assert holder(installed) == "second"
            first.launch()
            first.wait(lambda: first.answers("readyz"))

            second.freeze()
            run_some(jobs, "frozen")
            assert holder(installed) == "first"
            second.thaw()
            run_some(jobs, "thawed")
            assert holder(installed) == "first"

            network.cut_off()
            run_some(jobs, "cut-off")
            assert holder(installed) == "second"
            network.restore()
            run_some(jobs, "restored")
            assert holder(installed) == "second"

            wait_until(lambda: first.answers("readyz"), "the first replica is ready again")
            started = time.monotonic()
            second.stop()
            wait_until(lambda: holder(installed) == "first", "the first replica leads", 10)
            assert time.monotonic() - started < 10  # the lease was given back: its 15 s are not waited for
            run_some(jobs, "stopped")
        finally:
            second.stop()
            first.stop()
    assert_nothing_was_made_twice(installed, jobs)
    writes = [
        event
        for event in installed.audit_events()
        if event.namespace == jobs.namespace and event.user in (operator.USER, other_user)
        # An event says what its sender did while it led; where the connection hung, it may arrive when another leads.
        if event.verb not in ("get", "list", "watch") and event.resource != "events"
    ]
    turns = [user for user, _ in groupby(event.user for event in sorted(writes, key=lambda event: event.received))]
    assert turns == [operator.USER, other_user, operator.USER, other_user, operator.USER]


def holder(plane: ControlPlane) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{operator.NAMESPACE}/leases/trainwright-operator"
    lease: dict = plane.client.get(path)
    return lease["spec"].get("holderIdentity", "")


def run_some(jobs: TrainingJobs, prefix: str) -> None:
    """Jobs that come to their end only if somebody acts."""
    create_many(jobs, 3, prefix)
    wait_all_complete(jobs, 60 + TAKE_OVER_SECONDS)


def test_the_api_server_restarts(
    installed: ControlPlane, unattended_jobs: TrainingJobs, replica: OperatorProcess
) -> None:
    create_many(unattended_jobs, 20)
    time.sleep(2)
    installed.restart_api_server()
    wait_all_complete(unattended_jobs, 180)
    assert_nothing_was_made_twice(installed, unattended_jobs)
    assert replica.running


def test_an_api_server_that_refuses_loses_and_delays(
    installed: ControlPlane, unattended_jobs: TrainingJobs, kubeconfig: Path, tmp_path: Path
) -> None:
    faults = Faults(conflict=0.05, busy=0.05, error=0.05, lost=0.05, slow=0.03, dropped=0.5, expired=0.3)
    with FaultyProxy(kubeconfig, faults, seed=5) as network:
        process = make_replica(network.kubeconfig(tmp_path / "proxied"), tmp_path, "plagued")
        try:
            process.start_ready()
            create_many(unattended_jobs, 30)
            wait_all_complete(unattended_jobs, 180)
        finally:
            process.stop()
    assert all(network.happened[fault] for fault in asdict(faults)), network.happened
    assert_nothing_was_made_twice(installed, unattended_jobs)
