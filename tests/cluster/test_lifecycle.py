"""What becomes of TrainingJobs on a real control plane, from the first step to the end."""

import time
from dataclasses import replace
from itertools import groupby

import pytest

from testbed import ControlPlane, operator, wait_until
from tests.cluster.pods import End, Worker, forever, success
from tests.cluster.trainingjobs import INT8, ONNX, PRUNE, TRAIN, TrainingJobs, attempts, condition


def poor_after_pruning(worker: Worker) -> End:
    return success(worker, accuracy=0.5 if worker.step == "prune" else 0.9)


def states(status: dict) -> dict[str, str]:
    return {step["name"]: step["state"] for step in status["steps"]}


def test_steps_run_one_after_the_other_each_from_the_newest_artifact(jobs: TrainingJobs) -> None:
    inputs = {}

    def behave(worker: Worker) -> End:
        pod = jobs.client.get(f"/api/v1/namespaces/{worker.namespace}/pods/{worker.name}")
        variables = {item["name"]: item.get("value") for item in pod["spec"]["containers"][0]["env"]}
        inputs[worker.step] = variables.get("TRAINWRIGHT_INPUT")
        return success(worker)

    jobs.create("chain", TRAIN, PRUNE, INT8, ONNX, replicas=2, behave=behave)
    status = jobs.wait("chain", "Complete")
    assert states(status) == dict.fromkeys(("train", "prune", "int8", "onnx"), "Succeeded")
    assert [artifact["name"] for artifact in status["artifacts"]] == ["train", "prune", "int8", "onnx"]
    assert inputs == {
        "train": None,
        "prune": "/workspace/steps/train/artifact",
        "int8": "/workspace/steps/prune/artifact",
        "onnx": "/workspace/steps/int8/artifact",
    }
    assert attempts(jobs.pods.of(jobs.namespace, "chain"))[2:] == [("prune", 1, 0), ("int8", 1, 0), ("onnx", 1, 0)]
    assert status["restarts"] == 0


def test_a_missed_gate_does_what_it_was_told(jobs: TrainingJobs) -> None:
    for what in ("Rollback", "Fail", "Warn"):
        gate = {"accuracy": {"maxDegradation": 0.01}, "onMiss": what}
        jobs.create(what.lower(), TRAIN, PRUNE | {"gate": gate}, ONNX, behave=poor_after_pruning)
    status = jobs.wait("rollback", "Complete")
    assert states(status) == {"train": "Succeeded", "prune": "RolledBack", "onnx": "Succeeded"}
    assert [artifact["name"] for artifact in status["artifacts"]] == ["train", "onnx"]
    status = jobs.wait("fail", "Failed")
    assert states(status) == {"train": "Succeeded", "prune": "Failed", "onnx": "Pending"}
    failed = condition(status, "Failed")
    assert failed["reason"] == "GateMissed"
    assert "accuracy 0.5 is not at least 0.89" in failed["message"]
    status = jobs.wait("warn", "Complete")
    assert [artifact["name"] for artifact in status["artifacts"]] == ["train", "prune", "onnx"]
    assert "GateMissed" in jobs.reasons("warn", last="StepsDone")


def test_a_job_out_of_time_fails_and_its_pods_end(jobs: TrainingJobs) -> None:
    jobs.create("late", behave=forever, runPolicy={"activeDeadlineSeconds": 3})
    status = jobs.wait("late", "Failed")
    assert condition(status, "Failed")["reason"] == "DeadlineExceeded"
    assert "step script was not done within 3 s" in condition(status, "Failed")["message"]
    wait_until(lambda: not jobs.live("late"), "its pods have ended")


def test_clean_pod_policy_decides_what_stays(jobs: TrainingJobs) -> None:
    for policy in ("Running", "All", "None"):
        run_policy = {"cleanPodPolicy": policy}
        jobs.create(f"done-{policy.lower()}", behave=lambda worker: End(), runPolicy=run_policy)
        jobs.create(f"late-{policy.lower()}", runPolicy=run_policy | {"activeDeadlineSeconds": 4})
    for policy in ("running", "all", "none"):
        jobs.wait(f"done-{policy}", "Complete")
        jobs.wait(f"late-{policy}", "Failed")
    wait_until(lambda: not jobs.jobs("done-all") and not jobs.jobs("late-all"), "cleanPodPolicy All leaves no Job")
    wait_until(lambda: not jobs.live("late-running"), "cleanPodPolicy Running leaves no running pod")
    assert [job["status"]["succeeded"] for job in jobs.jobs("done-running")] == [1]
    assert [job["status"]["succeeded"] for job in jobs.jobs("done-none")] == [1]
    assert len(jobs.live("late-none")) == 1


def test_a_finished_job_is_deleted_when_its_time_to_live_is_over(jobs: TrainingJobs) -> None:
    jobs.create("brief", behave=lambda worker: End(), runPolicy={"ttlSecondsAfterFinished": 1})
    jobs.wait("brief", "Complete")
    jobs.wait_gone("brief")
    wait_until(lambda: not jobs.kinds_left("brief"), "nothing of it is left")


def test_deleting_a_job_collects_all_that_is_its_own(jobs: TrainingJobs) -> None:
    storage = {"size": "1Gi", "storageClassName": "manual"}
    jobs.create("doomed", TRAIN, replicas=2, behave=forever, storage=storage)
    everything = {"services", "networkpolicies", "jobs", "pods", "persistentvolumeclaims"}
    wait_until(lambda: jobs.kinds_left("doomed").keys() == everything, "all children are there")
    jobs.delete("doomed")
    jobs.wait_gone("doomed")
    wait_until(lambda: not jobs.kinds_left("doomed"), "nothing of it is left")


def test_an_object_that_passes_the_schema_but_can_not_run_fails_within_seconds(jobs: TrainingJobs) -> None:
    trainer = {"name": "trainer", "command": ["sh"]}
    jobs.create("wrong", workers={"template": {"spec": {"containers": [trainer]}}})
    failed = condition(jobs.wait("wrong", "Failed", seconds=5), "Failed")
    assert failed["reason"] == "InvalidSpec"
    assert failed["message"].startswith("spec.workers.template.spec.containers[0].command: the trainer's command is")
    assert not jobs.jobs("wrong")


def test_a_job_of_another_controller_is_not_touched(jobs: TrainingJobs) -> None:
    jobs.create("theirs", managedBy="kueue.x-k8s.io/multikueue")
    jobs.create("ours", behave=lambda worker: End(), managedBy="trainwright.dev/operator")
    jobs.wait("ours", "Complete")
    assert "status" not in jobs.get("theirs")
    assert not jobs.kinds_left("theirs")
    assert jobs.events("theirs") == []


def test_a_gang_has_its_pod_group(jobs: TrainingJobs, pod_group_crds: None) -> None:
    scheduling = {"gang": "volcano", "schedulerName": "default-scheduler"}
    jobs.create("gang", TRAIN, replicas=2, behave=success, scheduling=scheduling)
    jobs.wait("gang", "Complete")
    path = f"/apis/scheduling.volcano.sh/v1beta1/namespaces/{jobs.namespace}/podgroups/gang-train-of-2"
    assert jobs.client.get(path)["spec"]["minMember"] == 2


@pytest.mark.parametrize(("lasts", "writes"), [("0.5s", 1), ("4s", 2)])
def test_a_job_of_one_step_costs_a_request_an_object_and_one_or_two_for_its_status(
    jobs: TrainingJobs, own_control_plane: ControlPlane, lasts: str, writes: int
) -> None:
    jobs.create("cheap", TRAIN, behave=lambda worker: replace(success(worker), after=lasts))
    status = jobs.wait("cheap", "Complete")
    assert status["artifacts"], "the result was heard, not asked for"

    def asked() -> list[tuple[str, str]]:
        return requests_in(own_control_plane, jobs.namespace)

    expected = [("create", kind) for kind in ("services", "networkpolicies", "jobs")] + [("patch", "trainingjobs")]
    wait_until(lambda: len(asked()) >= 3 + writes, "every request is in the audit log")
    assert [request for request, _ in groupby(asked())] == expected
    assert len(asked()) <= 3 + writes + 1  # on a slow machine it is told, too, that the worker is starting


def test_a_pass_over_an_unchanged_job_asks_for_nothing(jobs: TrainingJobs, own_control_plane: ControlPlane) -> None:
    jobs.create("calm", TRAIN, replicas=2, behave=forever)
    jobs.running("calm", 2)
    before = requests_in(own_control_plane, jobs.namespace)
    for number in range(5):
        jobs.client.patch(f"{jobs.path}/calm", {"metadata": {"labels": {"number": str(number)}}})
        time.sleep(0.3)
    time.sleep(2)
    assert requests_in(own_control_plane, jobs.namespace) == before


def requests_in(plane: ControlPlane, namespace: str) -> list[tuple[str, str]]:
    """What the operator has asked for in a namespace, events aside."""
    events = (event for event in plane.audit_events(operator.USER) if event.namespace == namespace)
    return [(event.verb, event.resource) for event in events if event.resource != "events"]
