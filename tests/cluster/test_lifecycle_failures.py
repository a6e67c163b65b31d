"""Failures: whose fault it was decides whether the group starts again, and never before its old pods are gone."""

from collections.abc import Iterator

import pytest

from testbed import ControlPlane, wait_until
from testbed.operator import OperatorProcess
from tests.cluster.pods import End, Worker, failure, success
from tests.cluster.trainingjobs import TRAIN, TrainingJobs, attempts, condition

NO_RETRY = {"backoffLimit": 0}


def only_first_attempt(end: End) -> "object":
    """Worker 0 ends so in its first attempt, its peers run on until they are stopped; the second attempt succeeds."""

    def behave(worker: Worker) -> End | None:
        if worker.attempt > 1:
            return success(worker)
        return end if worker.index == 0 else None

    return behave


def test_the_whole_group_restarts_when_the_old_pods_are_gone(jobs: TrainingJobs) -> None:
    jobs.create("group", TRAIN, replicas=3, stop_after="3s", behave=only_first_attempt(failure("lost the plot")))
    status = jobs.wait("group", "Complete")
    pods = attempts(jobs.pods.of(jobs.namespace, "group"))
    assert sorted(pods) == [("train", attempt, index) for attempt in (1, 2) for index in (0, 1, 2)]
    (train,) = status["steps"]
    assert (status["restarts"], train["attempts"], train["failedAttempts"]) == (1, 2, 1)
    (record,) = train["failures"]
    assert (record["cause"], record["message"]) == (
        "Error",
        "worker 0 failed with exit code 1 in rank 0: RuntimeError: lost the plot",
    )


def test_errors_end_the_job_when_backoff_limit_is_spent(jobs: TrainingJobs) -> None:
    def behave(worker: Worker) -> End:
        return failure(f"step of attempt {worker.attempt}", exit_code=7)

    jobs.create("spent", TRAIN, behave=behave, runPolicy={"backoffLimit": 1})
    failed = condition(jobs.wait("spent", "Failed"), "Failed")
    assert failed["reason"] == "BackoffLimitExceeded"
    assert failed["message"].startswith("step train: failed 2 times (backoffLimit 1): worker 0 failed with exit code 7")
    assert attempts(jobs.pods.of(jobs.namespace, "spent")) == [("train", 1, 0), ("train", 2, 0)]


def test_a_bad_configuration_is_not_tried_again(jobs: TrainingJobs) -> None:
    end = failure("spec.data.factory: there is no module m", exit_code=2, kind="ConfigurationError")
    jobs.create("wrong", TRAIN, behave=lambda worker: end)
    failed = condition(jobs.wait("wrong", "Failed"), "Failed")
    assert failed["reason"] == "InvalidConfiguration"
    assert "spec.data.factory: there is no module m" in failed["message"]
    assert len(jobs.pods.of(jobs.namespace, "wrong")) == 1


def test_the_same_error_three_times_ends_the_job(jobs: TrainingJobs) -> None:
    end = failure("loss is NaN", training_step=120)
    jobs.create("again", TRAIN, behave=lambda worker: end, runPolicy={"backoffLimit": 100})
    failed = condition(jobs.wait("again", "Failed"), "Failed")
    assert failed["reason"] == "RepeatedFailure"
    assert len(jobs.pods.of(jobs.namespace, "again")) == 3


def test_disruptions_restart_the_group_and_are_not_counted(
    jobs: TrainingJobs, installed: ControlPlane, untainted: None
) -> None:
    """A worker that was asked to stop, an evicted one, one whose pod was deleted, and one whose node is drained."""
    names = ("stopped", "evicted", "deleted", "drained")
    jobs.create("stopped", TRAIN, replicas=2, behave=only_first_attempt(End(143)), runPolicy=NO_RETRY)
    for name in names[1:]:
        stay = {"evicted": "3s"}.get(name, "")
        jobs.create(name, TRAIN, replicas=2, behave=in_first_attempt_forever, runPolicy=NO_RETRY, stop_after=stay)
    pods = {name: jobs.running(name, 2)[1].worker.name for name in names[1:]}
    path = f"/api/v1/namespaces/{jobs.namespace}/pods"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pods["evicted"]}}
    jobs.client.post(f"{path}/{pods['evicted']}/eviction", eviction)
    jobs.client.delete(f"{path}/{pods['deleted']}")
    node = jobs.client.get(f"{path}/{pods['drained']}")["spec"]["nodeName"]
    taint = {"key": "maintenance", "effect": "NoExecute"}
    jobs.client.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": [taint]}})
    for name in names:
        status = jobs.wait(name, "Complete")
        (train,) = status["steps"]
        assert train["failedAttempts"] == 0, (name, train)
        assert {record["cause"] for record in train["failures"]} == {"Disruption"}, (name, train)
        assert status["restarts"] >= 1


def in_first_attempt_forever(worker: Worker) -> End | None:
    return success(worker) if worker.attempt > 1 else None


@pytest.fixture
def untainted(installed: ControlPlane) -> Iterator[None]:
    yield
    for node in installed.client.get("/api/v1/nodes")["items"]:
        installed.client.patch(f"/api/v1/nodes/{node['metadata']['name']}", {"spec": {"taints": None}})


def test_a_killed_pod_object_is_no_error_of_the_program(jobs: TrainingJobs, operator_process: OperatorProcess) -> None:
    """`kubectl delete pod --force`: nothing is left that could tell how the worker ended."""
    jobs.create("forced", TRAIN, replicas=2, behave=in_first_attempt_forever, runPolicy=NO_RETRY)
    pod = jobs.running("forced", 2)[0].worker.name
    jobs.client.delete(f"/api/v1/namespaces/{jobs.namespace}/pods/{pod}", gracePeriodSeconds="0")
    wait_until(lambda: jobs.phase("forced") in ("Complete", "Failed"), "it has come to an end")
    status = jobs.get("forced")["status"]
    assert status["phase"] == "Complete", status


def test_workers_that_take_long_to_end_are_told_of(jobs: TrainingJobs) -> None:
    jobs.create("slow", TRAIN, replicas=2, stop_after="12s", behave=only_first_attempt(failure("oops")))
    jobs.wait_for("slow", lambda status: condition(status, "Running").get("reason") == "WorkersEnding", "tells", 30)
    assert len(jobs.live("slow")) == 1
    jobs.wait("slow", "Complete")
