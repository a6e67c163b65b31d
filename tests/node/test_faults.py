"""What befalls pods, and the promise: no step is lost beyond a checkpoint's interval, and no digit of the loss."""

from collections.abc import Callable

import pytest

from testbed import wait_until
from testbed.node.operator import Operator
from tests.node.jobs import LONG, ONE_THREAD, Jobs, Object, losses, training, with_trainer

EPOCHS = 20
INTERVAL = 10
"""Steps between two checkpoints."""


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, dict[int, float]]:
    """The losses of a training that nothing happens to, once a test has run it."""
    return {}


@pytest.fixture
def expected(jobs: Jobs, undisturbed: dict[str, dict[int, float]]) -> dict[int, float]:
    """The loss at every step of a training that nothing happens to."""
    if not undisturbed:
        jobs.apply(training("undisturbed", EPOCHS))
        jobs.wait("undisturbed", "Complete")
        undisturbed["losses"] = losses(jobs.storage("undisturbed"))
    return undisturbed["losses"]


def delete_pod(jobs: Jobs, operator: Operator, name: str) -> None:
    jobs.delete_pod(jobs.live_pods(name)[-1])


def kill_process(jobs: Jobs, operator: Operator, name: str) -> None:
    jobs.kill_worker(jobs.live_pods(name)[-1])


def kill_operator_and_pod(jobs: Jobs, operator: Operator, name: str) -> None:
    """The operator must find out by itself, when it is back, what happened while it was gone."""
    operator.kill()
    jobs.delete_pod(jobs.live_pods(name)[-1])


@pytest.mark.parametrize("befalls", [delete_pod, kill_process, kill_operator_and_pod], ids=lambda what: what.__name__)
def test_a_fault_costs_a_restart_and_not_a_digit_of_the_loss(
    jobs: Jobs, operator: Operator, expected: dict[int, float], befalls: Callable[[Jobs, Operator, str], None]
) -> None:
    jobs.apply(training("hit", EPOCHS))
    jobs.wait_checkpoint("hit", 2 * INTERVAL)
    befalls(jobs, operator, "hit")
    status = jobs.wait("hit", "Complete")
    assert status["restarts"] == 1
    assert losses(jobs.storage("hit")) == expected
    (resumed,) = resumptions(jobs, "hit")
    assert resumed["undoneSteps"] <= 2 * INTERVAL  # that of a checkpoint, and that of the one being written


def test_a_group_that_ran_out_of_memory_once_goes_on(jobs: Jobs, expected: dict[int, float]) -> None:
    template = with_trainer(env=[ONE_THREAD], resources={"limits": {"memory": "1500Mi"}})
    jobs.apply(training("spiked", EPOCHS, workers={"replicas": 2, "template": template}))
    jobs.wait_checkpoint("spiked", 2 * INTERVAL)
    jobs.exhaust_memory(jobs.live_pods("spiked")[-1])
    status = jobs.wait("spiked", "Complete")
    (failure,) = status["steps"][0]["failures"]
    assert "memory" in failure["message"]
    assert losses(jobs.storage("spiked")) == expected


def test_running_out_of_memory_says_so_and_is_given_up(jobs: Jobs) -> None:
    # With a little more than its own data take it would go on, and read its libraries from the disk again and again.
    template = with_trainer(resources={"limits": {"memory": "200Mi"}})
    body = training("greedy", 1, workers={"replicas": 1, "template": template}, runPolicy={"backoffLimit": 0})
    jobs.apply(body)
    jobs.wait("greedy", "Failed")
    assert "memory" in jobs.condition("greedy", "Failed")["message"]


def test_a_suspended_job_goes_on_from_the_checkpoint_that_the_suspend_saved(
    jobs: Jobs, expected: dict[int, float]
) -> None:
    jobs.apply(training("pausing", EPOCHS))
    jobs.wait_checkpoint("pausing", INTERVAL)
    jobs.patch("pausing", runPolicy={"suspend": True})
    jobs.wait("pausing", "Suspended")
    assert jobs.live_pods("pausing") == []
    saved = jobs.checkpoints("pausing")[-1]
    jobs.patch("pausing", runPolicy={"suspend": False})
    status = jobs.wait("pausing", "Complete")
    (resumed,) = resumptions(jobs, "pausing")
    assert (resumed["step"], resumed["undoneSteps"]) == (saved, 0)
    assert (status["restarts"], status["steps"][0]["attempts"]) == (0, 1)
    assert losses(jobs.storage("pausing")) == expected


def test_the_group_follows_kubectl_scale_and_loses_no_step_beyond_an_interval(jobs: Jobs) -> None:
    jobs.apply(training("scaled", 4 * EPOCHS))
    jobs.wait_checkpoint("scaled", INTERVAL)
    for number, replicas in enumerate((3, 1), start=1):
        jobs.kubectl("scale", "trainingjob/scaled", f"--replicas={replicas}")
        wait_until(lambda size=replicas: is_running_on(jobs, size), f"runs on {replicas}", LONG)
        assert jobs.client.get(jobs.path("scaled/scale"))["status"]["replicas"] == replicas
        wait_until(lambda count=number: len(resumptions(jobs, "scaled")) == count, f"goes on with {replicas}", LONG)
    status = jobs.wait("scaled", "Complete")
    assert status["restarts"] == 0
    assert all(entry["undoneSteps"] <= INTERVAL for entry in resumptions(jobs, "scaled"))
    assert sorted(losses(jobs.storage("scaled"))) == list(range(1, 1 + max(losses(jobs.storage("scaled")))))


def test_an_elastic_group_takes_a_worker_in_and_the_others_stay(jobs: Jobs) -> None:
    template = with_trainer(env=[ONE_THREAD])
    workers = {"replicas": 2, "minReplicas": 1, "maxReplicas": 3, "template": template}
    jobs.apply(training("elastic", 4 * EPOCHS, workers=workers))
    jobs.wait_checkpoint("elastic", INTERVAL)
    before = {pod["metadata"]["uid"] for pod in jobs.live_pods("elastic")}
    jobs.kubectl("scale", "trainingjob/elastic", "--replicas=3")
    wait_until(lambda: resumptions(jobs, "elastic"), "goes on with 3", LONG)
    after = {pod["metadata"]["uid"] for pod in jobs.live_pods("elastic")}
    assert (before < after, len(after)) == (True, 3)
    status = jobs.wait("elastic", "Complete")
    assert (status["restarts"], status["steps"][0]["attempts"]) == (0, 1)
    assert all(entry["undoneSteps"] == 0 for entry in resumptions(jobs, "elastic"))


def resumptions(jobs: Jobs, name: str) -> list[Object]:
    """When a training went on from a checkpoint."""
    return [entry for entry in jobs.journal(name) if entry["event"] == "resumed"]


def is_running_on(jobs: Jobs, size: int) -> bool:
    status, pods = jobs.status("scaled"), jobs.live_pods("scaled")
    return status["phase"] == "Running" and len(pods) == size and worlds(pods) == {str(size)}


def worlds(pods: list[Object]) -> set[str]:
    """What the pods take for the size of their world."""
    variables = (item for pod in pods for item in pod["spec"]["containers"][0]["env"])
    return {item["value"] for item in variables if item["name"] == "WORLD_SIZE"}


def test_a_drained_node_does_not_count_as_a_failure(jobs: Jobs) -> None:
    jobs.apply(training("drained", EPOCHS, runPolicy={"backoffLimit": 0}))
    jobs.wait_checkpoint("drained", INTERVAL)
    selector = "--pod-selector=trainwright.dev/job-name=drained"
    try:
        jobs.kubectl("drain", "node", selector, "--delete-emptydir-data", "--timeout=300s")
    finally:
        jobs.kubectl("uncordon", "node")
    status = jobs.wait("drained", "Complete")
    assert [failure["cause"] for failure in status["steps"][0]["failures"]] == ["Disruption"]
