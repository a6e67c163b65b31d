"""Which artifact a step starts from, and which one its gate compares with."""

from typing import Any

import pytest

from tests.planning.build import INT8, ONNX, PRUNE, SCRIPT, TRAIN, make_job, result
from trainwright.api.contract import ArtifactReference
from trainwright.api.steps import Step
from trainwright.planning.lineage import gate_reference, input_model, passed_over, step_input

PROGRAM = {"name": "program", "export": {"format": "pt2"}}
EVALUATE = {"name": "evaluate", "evaluate": {}}


def artifact(name: str) -> ArtifactReference:
    made = result(name).artifact
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("step", "accepted", "expected"),
    [
        (TRAIN, [], None),
        (PRUNE, ["train"], "train"),
        (INT8, ["train", "prune"], "prune"),
        (PRUNE, ["train", "int8"], "train"),
        (TRAIN, ["train", "int8", "onnx"], "train"),
        (INT8, ["train", "onnx"], "train"),
        (ONNX, ["train", "prune", "int8"], "int8"),
        (ONNX, ["train", "onnx"], "train"),
        (PROGRAM, ["train", "prune", "int8"], "prune"),
        (PROGRAM, ["train", "int8", "onnx"], "train"),
        (EVALUATE, ["train", "prune", "onnx"], "onnx"),
        (SCRIPT, ["train", "int8"], "int8"),
        (PRUNE, ["script"], "script"),
        (PRUNE, ["int8"], None),
    ],
)
def test_a_step_starts_from_the_newest_artifact_that_it_can_take(
    step: dict[str, Any], accepted: list[str], expected: str | None
) -> None:
    spec = make_job(TRAIN, PRUNE, INT8, ONNX, SCRIPT, EVALUATE).spec
    found = step_input(spec, Step.model_validate(step), [artifact(name) for name in accepted])
    assert (found and found.name) == expected


@pytest.mark.parametrize(
    ("step", "accepted", "expected"),
    [
        (PROGRAM, ["train", "int8"], "int8"),
        (PROGRAM, ["train", "int8", "onnx"], "int8"),
        (PROGRAM, ["train", "prune"], None),
        (ONNX, ["train", "int8"], None),
        (PRUNE, ["train", "int8"], None),
        (ONNX, [], None),
    ],
)
def test_an_export_that_passes_over_a_quantized_model_can_say_so(
    step: dict[str, Any], accepted: list[str], expected: str | None
) -> None:
    spec = make_job(TRAIN, PRUNE, INT8, ONNX, PROGRAM).spec
    found = passed_over(spec, Step.model_validate(step), [artifact(name) for name in accepted])
    assert (found and found.name) == expected


@pytest.mark.parametrize(
    ("against", "accepted", "expected"),
    [
        ("previous", ["train", "prune"], "prune"),
        ("baseline", ["train", "prune"], "train"),
        ("baseline", ["script", "train", "prune"], "train"),
        ("baseline", ["script", "prune"], "script"),
        ("baseline", [], None),
    ],
)
def test_a_gate_compares_with_the_steps_input_or_with_what_was_trained_first(
    against: str, accepted: list[str], expected: str | None
) -> None:
    gated = INT8 | {"gate": {"accuracy": {"maxDegradation": 0.1}, "against": against}}
    spec = make_job(SCRIPT, TRAIN, PRUNE, gated).spec
    found = gate_reference(spec, spec.steps[3], [artifact(name) for name in accepted])
    assert (found and found.name) == expected


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ([], "model"),
        (["train"], "model"),
        (["train", "prune"], "model"),
        (["train", "distill"], "student"),
        (["train", "distill", "int8"], "student"),
        (["train", "distill", "again", "onnx"], "smaller"),
        (["train", "again"], "smaller"),
        (["train", "int8"], "model"),  # the distillation was rolled back
    ],
)
def test_an_artifacts_model_is_that_of_the_last_distillation_before_it(accepted: list[str], expected: str) -> None:
    distill = {"name": "distill", "distill": {"student": {"factory": "m:student"}}}
    again = {"name": "again", "distill": {"student": {"factory": "m:smaller"}}}
    spec = make_job(TRAIN, PRUNE, distill, again, INT8, ONNX).spec
    artifacts = [artifact(name) for name in accepted]
    found = input_model(spec, artifacts[-1] if artifacts else None, artifacts)
    assert found is not None
    assert found.factory == f"m:{expected}"
