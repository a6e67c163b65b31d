"""What people see: kubectl's columns and waits, why a job is pending or failed, and what happened in which order."""

import os
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from testbed import ControlPlane, wait_until
from testbed.binaries import find_kubectl
from tests.cluster.pods import End, Worker, failure, success
from tests.cluster.trainingjobs import PRUNE, TRAIN, TrainingJobs, condition

SOON_SECONDS = 60
"""Ten seconds where nothing else runs on the machine."""

Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(installed: ControlPlane, jobs: TrainingJobs, tmp_path: Path) -> Kubectl:
    """Runs kubectl in the test's namespace; returns what it prints."""
    environment = {**os.environ, "KUBECONFIG": str(installed.kubeconfig()), "HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        command = [str(find_kubectl()), "-n", jobs.namespace, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def columns(table: str) -> dict[str, str]:
    """The cells of a table's only row by their headings."""
    header, row = table.splitlines()
    names = header.split()
    starts = [header.index(name) for name in names] + [None]
    return {name: row[start:end].strip() for name, (start, end) in zip(names, pairwise(starts), strict=True)}


def test_kubectl_shows_where_a_job_stands(jobs: TrainingJobs, kubectl: Kubectl) -> None:
    def behave(worker: Worker) -> End | None:
        return success(worker, accuracy=0.93) if worker.step == "train" else None

    jobs.create("digits", TRAIN, PRUNE, replicas=2, behave=behave)
    jobs.wait_for(
        "digits", lambda status: status.get("currentStep") == "prune" and status["phase"] == "Running", "prunes"
    )
    cells = columns(kubectl("get", "tj", "digits"))
    assert cells.pop("AGE")
    expected = {"NAME": "digits", "PHASE": "Running", "STEP": "prune", "PROGRESS": "", "ACCURACY": "0.93"}
    assert cells == expected | {"WORKERS": "1", "RESTARTS": "0"}
    jobs.pods.behaviours[jobs.namespace, "digits"] = lambda worker: success(worker, accuracy=0.92)
    (pod,) = jobs.live("digits")
    jobs.client.delete(f"/api/v1/namespaces/{jobs.namespace}/pods/{pod.worker.name}")
    kubectl("wait", "--for=condition=Complete", "tj/digits", "--timeout=60s")
    cells = columns(kubectl("get", "trainingjob", "digits"))
    assert (cells["PHASE"], cells["STEP"], cells["ACCURACY"]) == ("Complete", "", "0.92")
    assert (cells["WORKERS"], cells["RESTARTS"]) == ("0", "1")
    assert "digits" in kubectl("get", "all")


def test_pending_says_why(jobs: TrainingJobs, kubectl: Kubectl) -> None:
    gpus = {"limits": {"nvidia.com/gpu": "100"}}
    jobs.create("greedy", workers=pod(containers=[{"name": "trainer", "resources": gpus}]))
    jobs.create("homeless", storage={"claimName": "absent"})
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"}}
    jobs.client.post("/api/v1/nodes", node)
    jobs.create("imageless", workers=pod(nodeName="bare"))
    wait_until(lambda: len(jobs.live("imageless")) == 1, "the pod is there")
    report_waiting(jobs, "imageless", "ErrImagePull", "not found: no such image")
    wait_until(lambda: len(jobs.live("greedy")) == 1, "the pod is there")
    limit_to(jobs, {"requests.nvidia.com/gpu": "1"})
    gpus = {"limits": {"nvidia.com/gpu": "2"}}
    jobs.create("over-quota", workers=pod(containers=[{"name": "trainer", "resources": gpus}]))
    reasons = {
        "greedy": "Unschedulable: 0/5 nodes are available: ",
        "homeless": 'persistentvolumeclaim "absent" not found',
        "imageless": "ErrImagePull (image trainwright/pytorch:latest): not found: no such image",
        "over-quota": "exceeded quota: limit, requested: requests.nvidia.com/gpu=2",
    }
    for name, why in reasons.items():
        jobs.wait_for(
            name, lambda status, why=why: why in condition(status, "Running").get("message", ""), why, SOON_SECONDS
        )
        assert jobs.phase(name) == "Pending"
    assert "Insufficient nvidia.com/gpu" in kubectl("get", "tj", "greedy", "-o", "yaml")
    jobs.client.delete("/api/v1/nodes/bare")


def pod(**spec: object) -> dict:
    """Workers with such pods."""
    return {"replicas": 1, "template": {"spec": spec}}


def limit_to(jobs: TrainingJobs, hard: dict[str, str]) -> None:
    path = f"/api/v1/namespaces/{jobs.namespace}/resourcequotas"
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "limit"}, "spec": {"hard": hard}}
    jobs.client.post(path, body)
    wait_until(lambda: jobs.client.get(f"{path}/limit").get("status", {}).get("hard") == hard, "the quota is known")


def report_waiting(jobs: TrainingJobs, name: str, reason: str, message: str) -> None:
    """What a kubelet would write of a container that it can't start."""
    (life,) = jobs.live(name)
    waiting = {"state": {"waiting": {"reason": reason, "message": message}}, "ready": False, "restartCount": 0}
    container = {"name": "trainer", "image": "trainwright/pytorch:latest", "imageID": "", **waiting}
    path = f"/api/v1/namespaces/{jobs.namespace}/pods/{life.worker.name}/status"
    jobs.client.patch(path, {"status": {"phase": "Pending", "containerStatuses": [container]}})


def test_a_child_that_is_refused_is_told_with_the_reason(jobs: TrainingJobs) -> None:
    limit_to(jobs, {"count/jobs.batch": "0"})
    jobs.create("refused")
    status = jobs.wait_for("refused", bool, "has a status", SOON_SECONDS)
    message = condition(status, "Running")["message"]
    assert "Job refused-script" in message
    assert "exceeded quota: limit" in message


def test_a_failure_names_the_worker_the_exit_code_and_the_last_line(jobs: TrainingJobs) -> None:
    ends = {
        "program": End(3, "Traceback (most recent call last):\n  ...\nValueError: a bad day\n"),
        "trainer": failure("expected 10 classes, got 12", exit_code=1, kind="ValueError"),
        "memory": End(137, reason="OOMKilled"),
    }
    for name, end in ends.items():
        jobs.create(
            name,
            TRAIN,
            replicas=2,
            behave=lambda worker, end=end: end if worker.index == 1 else None,
            runPolicy={"backoffLimit": 0},
        )
    words = {
        "program": "worker 1 failed with exit code 3: ValueError: a bad day",
        "trainer": "worker 1 failed with exit code 1 in rank 0: ValueError: expected 10 classes, got 12",
        "memory": "worker 1 was killed: it used more memory than its container's limit (exit code 137)",
    }
    for name, expected in words.items():
        failed = condition(jobs.wait(name, "Failed"), "Failed")
        assert failed["message"] == f"step train: failed 1 times (backoffLimit 0): {expected}"


def test_events_tell_what_happened_in_order(jobs: TrainingJobs, kubectl: Kubectl) -> None:
    def behave(worker: Worker) -> End:
        return failure("oops") if (worker.step, worker.attempt) == ("train", 1) else success(worker)

    jobs.create("told", TRAIN, PRUNE, behave=behave)
    jobs.wait("told", "Complete")
    expected = [
        ("StepStarted", "step train begins"),
        ("WorkerFailed", "step train, attempt 1: worker 0 failed with exit code 1 in rank 0: RuntimeError: oops"),
        ("StepStarted", "step train begins, attempt 2"),
        ("StepSucceeded", "step train is done"),
        ("StepStarted", "step prune begins"),
        ("StepSucceeded", "step prune is done"),
        ("StepsDone", "all 2 steps are done"),
    ]
    wait_until(lambda: len(jobs.events("told")) == len(expected), "all events are there", 60)
    assert jobs.events("told") == expected
    assert "RuntimeError: oops" in kubectl("describe", "tj", "told")
