"""What users and other controllers change while a job is there."""

import pytest

from testbed import ApiError, wait_until
from tests.cluster.pods import End, Worker, failure, success
from tests.cluster.trainingjobs import SCRIPT, TRAIN, TrainingJobs, attempts, condition


def one_attempt_forever(worker: Worker) -> End | None:
    return None


def children_path(jobs: TrainingJobs, name: str) -> str:
    return f"/apis/batch/v1/namespaces/{jobs.namespace}/jobs/{name}"


def test_suspend_ends_the_pods_and_resume_goes_on(jobs: TrainingJobs) -> None:
    jobs.create("pause", TRAIN, replicas=2, stop_after="1s", behave=one_attempt_forever)
    jobs.running("pause", 2)
    jobs.suspend("pause")
    status = jobs.wait("pause", "Suspended")
    assert not jobs.live("pause")
    assert status["replicas"] == 0
    jobs.pods.behaviours[jobs.namespace, "pause"] = success
    jobs.suspend("pause", False)
    status = jobs.wait("pause", "Complete")
    assert status["steps"][0]["attempts"] == 1
    assert status["steps"][0]["failures"] == []
    assert status["restarts"] == 0
    reasons = jobs.reasons("pause", last="StepsDone")
    assert reasons == ["StepStarted", "Suspended", "Resumed", "StepResumed", "StepSucceeded", "StepsDone"]


def test_suspend_while_the_step_restarts(jobs: TrainingJobs) -> None:
    def behave(worker: Worker) -> End | None:
        if worker.attempt > 1:
            return success(worker)
        return failure("boom") if worker.index == 0 else None

    jobs.create("both", TRAIN, replicas=2, stop_after="2s", behave=behave)
    wait_until(lambda: any(not life.live for life in jobs.pods.of(jobs.namespace, "both")), "a worker has failed")
    jobs.suspend("both")
    jobs.wait("both", "Suspended")
    assert not jobs.live("both")
    jobs.suspend("both", False)
    status = jobs.wait("both", "Complete")
    assert [record["message"] for record in status["steps"][0]["failures"]] == [
        "worker 0 failed with exit code 1 in rank 0: RuntimeError: boom"
    ]
    assert status["restarts"] == 1


def test_a_job_can_be_made_suspended_and_changed_until_it_is_resumed(jobs: TrainingJobs) -> None:
    jobs.create("later", TRAIN, behave=success, runPolicy={"suspend": True})
    jobs.wait("later", "Suspended")
    assert not jobs.jobs("later")
    jobs.patch("later", workers={"replicas": 3, "template": {"metadata": {"labels": {"team": "a"}}}})
    jobs.suspend("later", False)
    jobs.wait("later", "Complete")
    pods = jobs.client.get(f"/api/v1/namespaces/{jobs.namespace}/pods", labelSelector="team=a")["items"]
    assert len(pods) == 3


def test_scale_restarts_the_group_with_the_new_size(jobs: TrainingJobs) -> None:
    jobs.create("scaled", TRAIN, replicas=2, stop_after="2s", behave=one_attempt_forever)
    jobs.running("scaled", 2)
    jobs.scale("scaled", 3)
    live = jobs.running("scaled", 3)
    assert sorted(attempts(live)) == [("train", 1, 0), ("train", 1, 1), ("train", 1, 2)]
    jobs.scale("scaled", 1)
    assert len(jobs.running("scaled", 1)) == 1
    assert jobs.client.get(f"{jobs.path}/scaled/scale")["status"]["selector"]
    status = jobs.get("scaled")["status"]
    assert status["restarts"] == 0
    resized = ("Resizing", "the group goes from 2 to 3 workers")
    wait_until(lambda: resized in jobs.events("scaled"), "the change of the size is told")


def test_what_a_job_does_can_not_be_changed(jobs: TrainingJobs) -> None:
    jobs.create("fixed", runPolicy={"suspend": True})
    with pytest.raises(ApiError, match="can not be changed"):
        jobs.patch("fixed", steps=[SCRIPT | {"name": "other"}])


def test_when_queued_jobs_start_is_left_to_kueue(jobs: TrainingJobs) -> None:
    jobs.create("queued", TRAIN, replicas=2, behave=one_attempt_forever, scheduling={"queueName": "team-a"})
    status = jobs.wait_for("queued", lambda status: condition(status, "Running").get("reason") == "Queued", "is queued")
    assert status["phase"] == "Pending"
    path = children_path(jobs, "queued-train")
    assert jobs.client.get(path)["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    jobs.client.patch(path, {"spec": {"suspend": False}})
    jobs.running("queued", 2)
    jobs.client.patch(path, {"spec": {"suspend": True}})  # Kueue takes the turn away from it
    jobs.wait("queued", "Pending")
    wait_until(lambda: not jobs.live("queued"), "its pods have ended")
    assert jobs.client.get(path)["spec"]["suspend"] is True
    jobs.pods.behaviours[jobs.namespace, "queued"] = success
    jobs.client.patch(path, {"spec": {"suspend": False}})
    status = jobs.wait("queued", "Complete")
    assert status["restarts"] == 0


def test_an_object_made_anew_under_the_same_name_waits_for_the_old_pods(jobs: TrainingJobs) -> None:
    jobs.create("phoenix", TRAIN, replicas=2, stop_after="3s", behave=one_attempt_forever)
    old = [life.worker.uid for life in jobs.running("phoenix", 2)]
    jobs.delete("phoenix")
    jobs.wait_gone("phoenix")
    made = jobs.create("phoenix", TRAIN, replicas=2, behave=success)
    status = jobs.wait("phoenix", "Complete")
    assert status["restarts"] == 0
    assert jobs.get("phoenix")["metadata"]["uid"] == made["metadata"]["uid"]
    new = [life.worker.uid for life in jobs.pods.of(jobs.namespace, "phoenix") if life.worker.uid not in old]
    assert len(new) == 2


def test_children_deleted_by_hand_are_put_back(jobs: TrainingJobs) -> None:
    jobs.create("patient", TRAIN, replicas=2, stop_after="2s", behave=one_attempt_forever)
    jobs.running("patient", 2)
    jobs.client.delete(f"/api/v1/namespaces/{jobs.namespace}/services/patient")
    jobs.pods.behaviours[jobs.namespace, "patient"] = success
    jobs.client.delete(children_path(jobs, "patient-train"), propagationPolicy="Background")
    status = jobs.wait("patient", "Complete")
    assert status["steps"][0]["attempts"] == 1
    assert "services" in jobs.kinds_left("patient")


def test_a_child_edited_by_hand_is_put_right(jobs: TrainingJobs) -> None:
    for name in ("resized", "unlabelled"):
        jobs.create(name, TRAIN, replicas=2, behave=one_attempt_forever)
    for name in ("resized", "unlabelled"):
        jobs.running(name, 2)
        jobs.pods.behaviours[jobs.namespace, name] = success
    jobs.client.patch(children_path(jobs, "resized-train"), {"spec": {"parallelism": 1, "completions": 1}})
    labels = {"app.kubernetes.io/managed-by": None, "trainwright.dev/job-name": None}
    jobs.client.patch(children_path(jobs, "unlabelled-train"), {"metadata": {"labels": labels}})
    for name in ("resized", "unlabelled"):
        status = jobs.wait(name, "Complete")
        assert status["restarts"] == 0
        (job,) = jobs.jobs(name)
        assert job["status"]["succeeded"] == 2


def test_what_has_a_childs_name_and_is_not_ours_is_left_alone(jobs: TrainingJobs) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "one"}, "spec": {"clusterIP": "None"}}
    container = {"name": "main", "image": "main"}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "two-script"}}
    job["spec"] = {"template": template, "suspend": True}
    theirs = {
        f"/api/v1/namespaces/{jobs.namespace}/services": service,
        f"/apis/batch/v1/namespaces/{jobs.namespace}/jobs": job,
    }
    made = [jobs.client.post(path, body) for path, body in theirs.items()]
    for name, taken in (("one", "Service one"), ("two", "Job two-script")):
        jobs.create(name, behave=lambda worker: End())
        status = jobs.wait_for(name, lambda status: bool(status), "says why")
        assert status["phase"] == "Pending"
        assert f"there is a {taken} that is not this job's; it must go first" in condition(status, "Running")["message"]
    paths = [f"{path}/{body['metadata']['name']}" for path, body in theirs.items()]
    for path, body in zip(paths, made, strict=True):
        found = jobs.client.get(path)
        assert (found["spec"], found["metadata"]["uid"]) == (body["spec"], body["metadata"]["uid"])
        assert "ownerReferences" not in found["metadata"]
    for path in paths:
        jobs.client.delete(path)
    for name in ("one", "two"):
        jobs.wait(name, "Complete")
