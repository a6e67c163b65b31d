"""What a finished step leaves is held to its gate, and must be its own."""

from typing import Any

import pytest

from tests.planning.build import (
    ONNX,
    PRUNE,
    SCRIPT,
    TRAIN,
    applied_jobs,
    child,
    condition,
    done,
    look,
    make_job,
    reasons,
    result,
    then,
)
from trainwright.api.contract import StepResult
from trainwright.planning.actions import Plan
from trainwright.planning.observation import WorkerOutcome, read_result

GATE = {"accuracy": {"maxDegradation": 0.01}}


def after_pruning(gate: dict[str, Any], pruned: StepResult, **trained: float) -> Plan:
    """The pass that takes in the second step's result."""
    job = make_job(TRAIN, PRUNE | {"gate": gate}, ONNX)
    first = child(job, succeeded=True)
    job = then(job, look(job, first, outcomes={"digits-train": done("train", **trained)}))
    second = child(job, 1, succeeded=True)
    return look(job, first, second, outcomes={"digits-prune": [WorkerOutcome(0, 0, "Completed", pruned)]}, after=60)


def test_a_result_that_passes_its_gate_is_accepted() -> None:
    decided = after_pruning(GATE, result("prune", accuracy=0.945), accuracy=0.95)
    step = decided.status.steps[1]
    assert step.state == "Succeeded"
    assert step.gate is not None
    assert step.gate.passed
    assert [item.name for item in decided.status.artifacts] == ["train", "prune"]
    assert applied_jobs(decided) == ["digits-onnx"]


def test_a_miss_with_rollback_keeps_the_artifact_before_and_goes_on() -> None:
    decided = after_pruning(GATE | {"onMiss": "Rollback"}, result("prune", accuracy=0.5), accuracy=0.95)
    step = decided.status.steps[1]
    assert step.state == "RolledBack"
    assert step.artifact is not None
    assert [item.name for item in decided.status.artifacts] == ["train"]
    assert applied_jobs(decided) == ["digits-onnx"]
    assert reasons(decided) == ["RolledBack", "StepStarted"]
    assert "train is kept" in decided.events[0].message


def test_a_miss_with_warn_accepts_and_says_so() -> None:
    decided = after_pruning(GATE | {"onMiss": "Warn"}, result("prune", accuracy=0.5), accuracy=0.95)
    assert decided.status.steps[1].state == "Succeeded"
    assert [item.name for item in decided.status.artifacts] == ["train", "prune"]
    assert reasons(decided)[0] == "GateMissed"


def test_a_miss_with_fail_ends_the_job() -> None:
    decided = after_pruning(GATE, result("prune", accuracy=0.5), accuracy=0.95)
    assert decided.status.phase == "Failed"
    assert decided.status.steps[1].state == "Failed"
    assert not decided.apply
    told = condition(decided, "Failed")
    assert told is not None
    assert told.reason == "GateMissed"
    assert "accuracy 0.5 is not at least 0.94" in told.message


def test_a_latency_is_compared_with_the_inputs_as_the_same_process_measured_it() -> None:
    """The machine of the second step is half as fast: by the old figure the step would have made things worse."""
    gate = {"latency": {"percentMinImprovement": 10.0}}
    pruned = result("prune", latencyMs=8.0, reference={"latencyMs": 10.0})
    decided = after_pruning(gate, pruned, latencyMs=5.0)
    assert decided.status.steps[1].state == "Succeeded"
    assert decided.status.steps[1].gate is not None
    assert "than 10 ms" in decided.status.steps[1].gate.message


def test_what_was_not_measured_anew_is_taken_from_the_artifact() -> None:
    gate = {"latency": {"maxDegradation": 0.0}, "accuracy": {"maxDegradation": 0.01}}
    pruned = result("prune", latencyMs=8.0, accuracy=0.9, reference={"latencyMs": 10.0})
    assert after_pruning(gate, pruned, latencyMs=5.0, accuracy=0.95).status.phase == "Failed"
    assert after_pruning(gate, pruned, latencyMs=5.0, accuracy=0.91).status.phase != "Failed"


def chain(gate: dict[str, Any], **last: Any) -> Plan:
    """train 0.95, prune 0.90 accepted, and then a second pruning that is held to `gate`."""
    again = PRUNE | {"name": "again", "gate": gate}
    job = make_job(TRAIN, PRUNE, again)
    children = [child(job, index, succeeded=True) for index in range(3)]
    outcomes = {
        "digits-train": done("train", accuracy=0.95),
        "digits-prune": done("prune", accuracy=0.90),
        "digits-again": [WorkerOutcome(0, 0, "Completed", result("again", **last))],
    }
    return look(job, *children, outcomes=outcomes)


@pytest.mark.parametrize(("against", "passes"), [("previous", True), ("baseline", False)])
def test_a_gate_compares_with_what_it_is_told_to(against: str, passes: bool) -> None:
    decided = chain(GATE | {"against": against}, accuracy=0.895)
    assert decided.status.steps[2].gate is not None
    assert decided.status.steps[2].gate.passed == passes


def test_the_baseline_keeps_its_own_figures() -> None:
    """What the step measured anew is its input, not the baseline."""
    decided = chain(GATE | {"against": "baseline"}, accuracy=0.9, reference={"accuracy": 0.9})
    assert decided.status.steps[2].gate is not None
    assert not decided.status.steps[2].gate.passed


def test_notes_of_the_trainer_reach_the_user() -> None:
    job = make_job(TRAIN)
    noted = result("train").model_copy(update={"notes": ["a damaged checkpoint was passed over"]})
    decided = look(job, child(job, succeeded=True), outcomes={"digits-train": [WorkerOutcome(0, 0, "", noted)]})
    assert decided.status.steps[0].notes == ["a damaged checkpoint was passed over"]
    assert reasons(decided)[0] == "TrainerNote"


# Results that can't be used.


def take(step: dict[str, Any], *outcomes: WorkerOutcome) -> Plan:
    job = make_job(step)
    return look(job, child(job, succeeded=True), outcomes={f"digits-{step['name']}": outcomes})


def moved(**changes: Any) -> StepResult:
    good = result("train")
    assert good.artifact is not None
    return good.model_copy(update={"artifact": good.artifact.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("outcomes", "cause", "words"),
    [
        ([], "Disruption", "worker 0 ended well, but its pod is gone, and its result with it"),
        ([WorkerOutcome(0, 0, "Completed")], "Error", "worker 0 ended well, but left no result"),
        (
            [WorkerOutcome(0, 0, "", StepResult(outcome="Stopped"))],
            "Error",
            "worker 0 ended with exit code 0, but its result says Stopped",
        ),
        ([WorkerOutcome(0, 0, "", result("train", made=False))], "Error", "its result names no artifact"),
        ([WorkerOutcome(0, 0, "", result("prune"))], "Error", "artifact of step prune; expected one of step train"),
        (
            [WorkerOutcome(0, 0, "", moved(path="steps/other/artifact"))],
            "Error",
            "artifact in steps/other/artifact; expected it in steps/train/artifact",
        ),
        ([WorkerOutcome(0, 0, "", moved(path="steps/train/artifact/../../x"))], "Error", "expected it in"),
        ([WorkerOutcome(0, 0, "", moved(path="/steps/train/artifact"))], "Error", "expected it in"),
        ([WorkerOutcome(1, 0, "", result("train"))], "Disruption", "its pod is gone"),
    ],
)
def test_a_result_that_can_not_be_used_is_a_failed_attempt(
    outcomes: list[WorkerOutcome], cause: str, words: str
) -> None:
    decided = take(TRAIN, *outcomes)
    failure = decided.status.steps[0].failures[-1]
    assert failure.cause == cause
    assert words in failure.message
    assert not decided.status.artifacts
    assert [item.name for item in decided.delete] == ["digits-train"]


def test_an_artifact_may_lie_in_a_folder_of_its_own() -> None:
    inner = moved(path="steps/train/artifact/triton")
    assert take(TRAIN, WorkerOutcome(0, 0, "", inner)).status.phase == "Complete"


@pytest.mark.parametrize("outcomes", [[], [WorkerOutcome(0, 0, "Completed", None, "bye")]])
def test_a_users_program_needs_no_result(outcomes: list[WorkerOutcome]) -> None:
    decided = take(SCRIPT, *outcomes)
    assert decided.status.phase == "Complete"
    assert not decided.status.artifacts


def test_a_users_program_may_leave_one() -> None:
    decided = take(SCRIPT, WorkerOutcome(0, 0, "", result("script", accuracy=0.9)))
    assert [item.name for item in decided.status.artifacts] == ["script"]


@pytest.mark.parametrize("message", ["", "bye", "{}", "[1]", '{"outcome": "Succeeded", "metrics": {"loss": NaN}}'])
def test_other_text_is_no_result(message: str) -> None:
    assert read_result(message) is None


def test_a_result_is_read_back_as_it_was_written() -> None:
    written = result("train", accuracy=0.5, latencyMs=1.0)
    assert read_result(written.model_dump_json(exclude_none=True)) == written
