"""`kubectl scale` of an elastic group: the pods that stay are the same ones, and nothing is restarted or has failed."""

from testbed import wait_until
from tests.cluster.pods import End, Life, Worker, success
from tests.cluster.trainingjobs import TRAIN, TrainingJobs

ELASTIC = {"minReplicas": 1, "maxReplicas": 4}


def create(jobs: TrainingJobs, name: str, replicas: int = 2, stop_after: str = "2s") -> None:
    """An elastic group whose workers run until they are deleted, and take a while to save."""
    annotations = {"testbed.trainwright.dev/stop-after": stop_after}
    template = {"metadata": {"annotations": annotations}}
    jobs.pods.behaviours[jobs.namespace, name] = forever
    jobs.create(name, TRAIN, workers={"replicas": replicas, "template": template} | ELASTIC)
    jobs.running(name, replicas)


def forever(worker: Worker) -> End | None:
    return None


def wait_size(jobs: TrainingJobs, name: str, size: int) -> dict[int, str]:
    """The uids of the live pods by index, once there are so many and the status says so."""

    def holds() -> bool:
        return len(jobs.live(name)) == size and jobs.get(name)["status"]["replicas"] == size

    wait_until(holds, f"{name} has {size} workers", 60)
    return uids(jobs.live(name))


def uids(lives: list[Life]) -> dict[int, str]:
    return {life.worker.index: life.worker.uid for life in lives}


def finish(jobs: TrainingJobs, name: str) -> None:
    """All workers end well; nothing was counted on the way."""
    jobs.pods.behaviours[jobs.namespace, name] = success
    for life in jobs.live(name):
        jobs.pods.end(life.worker, success(life.worker))
    status = jobs.wait(name, "Complete")
    assert (status["restarts"], status["steps"][0]["attempts"], status["steps"][0]["failures"]) == (0, 1, [])


def test_scaling_up_and_down_keeps_the_pods_that_stay(jobs: TrainingJobs) -> None:
    create(jobs, "scaled")
    two = wait_size(jobs, "scaled", 2)
    (job,) = jobs.jobs("scaled")
    jobs.scale("scaled", 3)
    three = wait_size(jobs, "scaled", 3)
    assert two.items() <= three.items()
    jobs.scale("scaled", 1)
    assert wait_size(jobs, "scaled", 1) == {0: two[0]}
    jobs.scale("scaled", 2)
    again = wait_size(jobs, "scaled", 2)
    assert again[0] == two[0]
    assert again[1] not in three.values()
    (same,) = jobs.jobs("scaled")
    assert same["metadata"]["uid"] == job["metadata"]["uid"]
    assert same["spec"]["completions"] == same["spec"]["parallelism"] == 2
    told = [("Resizing", f"the group goes from {sizes} workers") for sizes in ("2 to 3", "3 to 1", "1 to 2")]
    wait_until(lambda: [event for event in jobs.events("scaled") if event[0] == "Resizing"] == told, "all is told")
    finish(jobs, "scaled")


def test_a_change_of_mind_in_the_middle_of_a_resize_is_followed(jobs: TrainingJobs) -> None:
    create(jobs, "hasty", replicas=3)
    three = wait_size(jobs, "hasty", 3)
    for size in (1, 4, 2, 3):
        jobs.scale("hasty", size)
    last = wait_size(jobs, "hasty", 3)
    assert last[0] == three[0]
    wait_until(lambda: jobs.jobs("hasty")[0]["spec"]["completions"] == 3, "the Job has its size")
    finish(jobs, "hasty")


def test_a_worker_that_was_let_go_fails_nothing_for_as_long_as_its_pod_is_there(jobs: TrainingJobs) -> None:
    create(jobs, "held", stop_after="0s")
    (last,) = (life.worker for life in jobs.live("held") if life.worker.index == 1)
    path = f"/api/v1/namespaces/{jobs.namespace}/pods/{last.name}"
    known = jobs.client.get(path)["metadata"].get("finalizers", [])
    jobs.client.patch(path, {"metadata": {"finalizers": [*known, "tests.trainwright.dev/hold"]}})
    jobs.scale("held", 1)
    wait_until(lambda: jobs.client.get(path)["status"]["phase"] == "Failed", "worker 1 has ended")

    def noticed() -> bool:
        status = jobs.jobs("held")[0]["status"]
        return status.get("active") == 1 and not status.get("terminating")

    wait_until(noticed, "the Job controller has seen it")
    finish(jobs, "held")
    jobs.client.patch(path, {"metadata": {"finalizers": None}})


def test_an_elastic_child_resized_by_hand_is_put_right_in_place(jobs: TrainingJobs) -> None:
    create(jobs, "handy")
    two = wait_size(jobs, "handy", 2)
    path = f"/apis/batch/v1/namespaces/{jobs.namespace}/jobs/handy-train"
    jobs.client.patch(path, {"spec": {"parallelism": 1, "completions": 1}})
    wait_until(lambda: two[1] not in uids(jobs.live("handy")).values(), "worker 1 has ended")
    assert wait_size(jobs, "handy", 2)[0] == two[0]
    finish(jobs, "handy")


def test_a_worker_that_never_starts_does_not_hold_up_the_end(jobs: TrainingJobs) -> None:
    create(jobs, "patient", replicas=1)
    jobs.scale("patient", 2)
    wait_size(jobs, "patient", 2)
    (first,) = (life for life in jobs.live("patient") if life.worker.index == 0)
    jobs.pods.end(first.worker, success(first.worker))
    status = jobs.wait("patient", "Complete")
    assert status["steps"][0]["failures"] == []
    wait_until(lambda: not jobs.live("patient"), "the other worker has ended")


def test_a_worker_that_is_deleted_by_hand_restarts_the_group_as_a_disruption(jobs: TrainingJobs) -> None:
    create(jobs, "deleted", stop_after="1s")
    two = wait_size(jobs, "deleted", 2)
    (name,) = (life.worker.name for life in jobs.live("deleted") if life.worker.index == 1)
    jobs.client.delete(f"/api/v1/namespaces/{jobs.namespace}/pods/{name}")
    status = jobs.wait_for("deleted", lambda status: status["restarts"] == 1, "has restarted")
    (failure,) = status["steps"][0]["failures"]
    assert failure["cause"] == "Disruption", failure
    assert not wait_size(jobs, "deleted", 2).items() & two.items()


def test_a_group_that_is_not_elastic_is_made_anew(jobs: TrainingJobs) -> None:
    jobs.create("rigid", TRAIN, replicas=2, behave=forever)
    two = uids(jobs.running("rigid", 2))
    jobs.scale("rigid", 3)
    assert not uids(jobs.running("rigid", 3)).items() & two.items()
