"""Distillation with TensorFlow: what is minimized, what is told, and what the user's mistakes lead to."""

import json

import numpy as np
import pytest
from scipy.special import log_softmax

from tests.trainers.runs import DIGITS, Job, run_group, run_here
from tests.trainers.tensorflow.conftest import RESNET, TRAIN
from trainwright.api.contract import StepResult
from trainwright_trainers.tensorflow import steps  # noqa: F401 - how TensorFlow is to be loaded

MODELS = "trainwright_trainers.tensorflow.models"
STUDENT = {"factory": f"{MODELS}:mlp", "args": {"hidden": [8]}}


def student(taught: Job, name: str, **options: object) -> Job:
    """A distillation from the artifact of the step `train`."""
    options = {"student": STUDENT, "train": TRAIN} | options
    given = "steps/train/artifact"
    return Job(taught.root, options, taught.model, DIGITS, name, given, framework="tensorflow", kind="distill")


def test_the_divergence_is_that_of_the_softened_answers() -> None:
    from trainwright_trainers.tensorflow.distill import divergences

    outputs, wanted = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype(np.float32)
    own, theirs = (log_softmax(logits / 3, axis=1) for logits in (outputs, wanted))
    expected = (np.exp(theirs) * (theirs - own)).sum(axis=1)
    np.testing.assert_allclose(divergences(outputs, wanted, 3.0), expected, rtol=1e-4)
    assert np.abs(divergences(wanted, wanted, 3.0)).max() < 1e-6


@pytest.mark.slow
def test_a_student_of_alpha_zero_is_the_student_alone(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, before = trained
    job = student(teacher, "hard", alpha=0.0, compareAlone=True)
    code, result = run_here(job, monkeypatch)
    assert code == 0, result.fault
    details = result.details
    assert details["student"] == details["studentAlone"]
    assert details["student"]["accuracy"] == pytest.approx(result.metrics.accuracy)
    assert details["teacher"]["accuracy"] == pytest.approx(before.metrics.accuracy)
    described = json.loads((job.directory / "artifact" / "artifact.json").read_text())
    assert described["model"] == STUDENT
    assert described["parent"]["name"] == "train"
    alone = [json.loads(line) for line in (job.directory / "alone" / "history.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in alone if "loss" in record]
    np.testing.assert_allclose(losses, list(job.losses().values()), rtol=1e-5)  # of two programs


@pytest.mark.slow
def test_a_group_learns_from_the_teachers_answers_alone_as_one_process_does(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, _ = trained
    options = {"alpha": 1.0, "temperature": 2.0, "train": TRAIN | {"batchSize": 65}}
    alone, together = (student(teacher, name, **options) for name in ("soft-alone", "soft-together"))
    assert run_here(alone, monkeypatch)[0] == 0
    ended = run_group(together)
    assert ended.exit_code == 0, ended.log
    losses = list(together.losses().values())
    np.testing.assert_allclose(losses, list(alone.losses().values()), rtol=2e-3)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"student": STUDENT | {"args": {"classes": 11}}}, ["distill.student", "[1, 11]", "[1, 10]"]),
        ({"student": {"factory": f"{MODELS}:no_such"}}, ["spec.steps[bad].distill.student.factory", "no_such"]),
        ({"teacher": {"factory": f"{MODELS}:no_such"}}, ["spec.steps[bad].distill.teacher.factory", "no_such"]),
        ({"train": {"loss": "Hubber"}}, ["spec.steps[bad].distill.train.loss", "Huber"]),
    ],
)
def test_a_mistake_is_told_with_its_field(
    changes: dict[str, object], words: list[str], monkeypatch: pytest.MonkeyPatch, trained: tuple[Job, StepResult]
) -> None:
    code, result = run_here(student(trained[0], "bad", **changes), monkeypatch)
    assert code == 2
    assert result.fault is not None
    for word in words:
        assert word in result.fault.message, result.fault.message


@pytest.mark.slow
def test_a_teacher_can_come_from_a_factory_and_without_one_is_missed(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path / "job", {"student": STUDENT}, framework="tensorflow", kind="distill", name="kd")  # type: ignore[operator]
    code, result = run_here(job, monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert "no accepted artifact to be the teacher" in result.fault.message
    options = {"student": STUDENT, "teacher": RESNET, "train": TRAIN | {"epochs": 1}}
    code, result = run_here(Job(job.root, options, framework="tensorflow", kind="distill", name="kd"), monkeypatch)
    assert code == 0, result.fault
    assert result.details["teacher"]["accuracy"] < 0.4  # the factory's weights are the first ones
