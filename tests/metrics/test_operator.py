"""What the operator counts."""

from typing import Any

import pytest
from prometheus_client import generate_latest

from trainwright.api.status import TrainingJobStatus
from trainwright.metrics.capped import OTHER, CappedValues
from trainwright.metrics.jobs import JobCollector
from trainwright.metrics.operator import OperatorMetrics

TIME, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:40Z"
BODY: dict[str, Any] = {
    "metadata": {"namespace": "team-a", "name": "digits"},
    "spec": {"framework": "pytorch", "steps": [{"name": "first", "gate": {}, "train": {}}]},
}
JOB = {"namespace": "team-a", "framework": "pytorch"}


def status(**fields: Any) -> TrainingJobStatus:
    return TrainingJobStatus.model_validate(fields)


def condition(kind: str, reason: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": TIME}


def failed_step(*attempts: int, **fields: Any) -> dict[str, Any]:
    failures = [
        {"attempt": number, "time": TIME, "cause": "Error", "message": "", "reason": "SIGKILL"} for number in attempts
    ]
    return {"name": "first", "failures": failures, **fields}


@pytest.fixture
def metrics() -> OperatorMetrics:
    return OperatorMetrics()


def value(metrics: OperatorMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"trainwright_{name}", labels)


def test_a_jobs_life_is_counted_once(metrics: OperatorMetrics) -> None:
    pending = status(phase="Pending")
    running = status(phase="Running", phaseSeconds={"pending": 7})
    gate = {"passed": False, "message": ""}
    ended = {"name": "first", "state": "Succeeded", "startTime": TIME, "completionTime": LATER, "gate": gate}
    complete = status(phase="Complete", steps=[ended], phaseSeconds={"pending": 7, "running": 100})
    for before, after in ((status(), pending), (pending, running), (running, complete), (complete, complete)):
        metrics.count_changes(BODY, before, after)
    assert value(metrics, "jobs_created_total", **JOB) == 1
    assert value(metrics, "jobs_completed_total", **JOB) == 1
    assert value(metrics, "job_wait_seconds_sum", framework="pytorch") == 7
    assert value(metrics, "job_wait_seconds_count", framework="pytorch") == 1
    of_step = {"framework": "pytorch", "kind": "train", "state": "Succeeded"}
    assert value(metrics, "step_duration_seconds_sum", **of_step) == 100
    assert value(metrics, "step_gates_total", kind="train", result="missed") == 1


def test_a_restart_is_counted_with_its_cause_and_a_failure_for_good_with_its_reason(metrics: OperatorMetrics) -> None:
    first = status(phase="Restarting", steps=[failed_step(1)])
    second = status(phase="Restarting", steps=[failed_step(1, 2)])
    failed = status(phase="Failed", steps=[failed_step(1, 2, 3)], conditions=[condition("Failed", "RepeatedFailure")])
    for before, after in ((status(phase="Running"), first), (first, first), (first, second), (second, failed)):
        metrics.count_changes(BODY, before, after)
    assert value(metrics, "restarts_total", **JOB, cause="Error", reason="SIGKILL") == 2
    assert value(metrics, "jobs_failed_total", **JOB, reason="RepeatedFailure") == 1


def test_a_resize_is_a_restart(metrics: OperatorMetrics) -> None:
    resizing = status(phase="Restarting", conditions=[condition("Restarting", "Resizing")])
    metrics.count_changes(BODY, status(phase="Running"), resizing)
    metrics.count_changes(BODY, resizing, resizing)
    assert value(metrics, "restarts_total", **JOB, cause="Resize", reason="Resizing") == 1


def test_passes_are_timed_by_their_result(metrics: OperatorMetrics) -> None:
    with metrics.timing_pass():
        pass
    with pytest.raises(RuntimeError), metrics.timing_pass():
        raise RuntimeError
    for result in ("success", "error"):
        assert value(metrics, "operator_pass_duration_seconds_count", result=result) == 1


def test_a_replica_tells_whether_it_leads(metrics: OperatorMetrics) -> None:
    metrics.watch_replica(lambda: True, lambda: 3)
    assert value(metrics, "operator_leader") == 1
    assert value(metrics, "operator_queue_depth") == 3


def test_a_label_has_no_more_values_than_its_cap() -> None:
    capped = CappedValues(2)
    assert [capped(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


def test_no_name_is_taken_twice(metrics: OperatorMetrics) -> None:
    metrics.watch_replica(lambda: True, lambda: 0)
    metrics.registry.register(JobCollector(list, lambda: True, 10))  # it raises where one is
    assert b"trainwright_jobs_without_series 0.0" in generate_latest(metrics.registry)
