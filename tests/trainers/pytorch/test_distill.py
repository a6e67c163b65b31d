"""Distillation: what is minimized, what is told, and how it goes on after a restart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from tests.trainers.runs import MLP, QUICK, Job, pods, run_group, run_here
from trainwright_trainers.pytorch.distill import Soft, divergence
from trainwright_trainers.pytorch.models import mlp
from trainwright_trainers.runtime.distillation import Weights

MODELS = "trainwright_trainers.pytorch.models"
STUDENT = {"factory": f"{MODELS}:mlp", "args": {"hidden": [8]}}
TRAIN = {"epochs": 4, "batchSize": 64, "optimizer": QUICK}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage of a job whose first step trained a teacher."""
    root = tmp_path_factory.mktemp("taught")
    with pytest.MonkeyPatch.context() as patch:
        code, result = run_here(Job(root, TRAIN | {"epochs": 8}), patch)
    assert code == 0, result.fault
    return root


def student(root: Path, name: str, **options: object) -> Job:
    """A distillation from the artifact of the step `train`."""
    return Job(
        root, {"student": STUDENT, "train": TRAIN} | options, name=name, kind="distill", input="steps/train/artifact"
    )


def test_the_divergence_is_that_of_the_softened_answers() -> None:
    torch.manual_seed(0)
    outputs, wanted = torch.randn(5, 7), torch.randn(5, 7)
    expected = kl_div(log_softmax(outputs / 3, 1), softmax(wanted / 3, 1), reduction="batchmean")
    torch.testing.assert_close(divergence(outputs, wanted, 3.0), expected)
    assert divergence(wanted, wanted, 3.0).abs() < 1e-6
    # with further dimensions, a mean over all answers
    outputs, wanted = torch.randn(2, 7, 3), torch.randn(2, 7, 3)
    flat = (part.transpose(1, 2).reshape(6, 7) for part in (outputs, wanted))
    torch.testing.assert_close(divergence(outputs, wanted, 1.0), divergence(*flat, 1.0))


def test_the_gradient_of_the_soft_part_is_as_large_at_any_temperature() -> None:
    torch.manual_seed(0)
    teacher = mlp().eval()
    inputs = torch.randn(64, 1, 8, 8)
    sizes = []
    for temperature in (10.0, 40.0):
        outputs = torch.randn(64, 10, generator=torch.Generator().manual_seed(1), requires_grad=True)
        loss = Soft(teacher, cross_entropy, Weights(temperature, temperature**2, 0.0))
        loss(inputs, outputs, torch.zeros(64, dtype=torch.long)).backward()
        assert outputs.grad is not None
        sizes.append(float(outputs.grad.norm()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


def test_a_student_of_alpha_zero_is_the_student_alone(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = student(taught, "hard", alpha=0.0, compareAlone=True)
    code, result = run_here(job, monkeypatch)
    assert code == 0, result.fault
    details = result.details
    assert details["student"] == details["studentAlone"]
    assert details["student"]["accuracy"] == pytest.approx(result.metrics.accuracy)
    assert details["teacher"]["accuracy"] == pytest.approx(result.reference.accuracy)
    assert details["teacher"]["accuracy"] > 0.9
    assert result.metrics.parameters is not None and result.reference.parameters is not None
    assert result.metrics.parameters < 0.1 * result.reference.parameters
    described = json.loads((job.directory / "artifact" / "artifact.json").read_text())
    assert described["model"] == STUDENT
    assert described["parent"]["name"] == "train"
    alone = [json.loads(line) for line in (job.directory / "alone" / "history.jsonl").read_text().splitlines()]
    assert [record["loss"] for record in alone if "loss" in record] == list(job.losses().values())


def test_a_teacher_teaches_what_its_labels_do_not(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the teacher's answers alone, the student comes to answer as the teacher does; it never sees a label."""
    job = student(taught, "soft", alpha=1.0, temperature=2.0, train=TRAIN | {"epochs": 16})
    code, result = run_here(job, monkeypatch)
    assert code == 0, result.fault
    losses = list(job.losses().values())
    assert losses[-1] < 0.3 * losses[0]
    assert result.metrics.accuracy is not None and result.metrics.accuracy > 0.8
    assert "studentAlone" not in result.details


def test_a_teacher_can_come_from_a_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"student": STUDENT, "teacher": MLP, "train": TRAIN | {"epochs": 1}}
    code, result = run_here(Job(tmp_path / "job", options, name="kd", kind="distill"), monkeypatch)
    assert code == 0, result.fault
    assert result.details["teacher"]["accuracy"] < 0.4  # this factory loads no weights


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"student": STUDENT | {"args": {"classes": 11}}}, ["distill.student", "[1, 11]", "[1, 10]"]),
        ({"student": STUDENT | {"args": {"inputs": 63}}}, ["spec.steps[bad].distill.student can't compute"]),
        ({"student": {"factory": f"{MODELS}:no_such"}}, ["spec.steps[bad].distill.student.factory", "no_such"]),
        ({"teacher": {"factory": f"{MODELS}:no_such"}}, ["spec.steps[bad].distill.teacher.factory", "no_such"]),
        ({"train": {"loss": "Huber"}}, ["spec.steps[bad].distill.train.loss", "HuberLoss"]),
    ],
)
def test_a_mistake_is_told_with_its_field(
    changes: dict[str, object], words: list[str], taught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, result = run_here(student(taught, "bad", **changes), monkeypatch)
    assert code == 2
    assert result.fault is not None
    for word in words:
        assert word in result.fault.message, result.fault.message


def test_without_an_artifact_a_teacher_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, result = run_here(Job(tmp_path / "job", {"student": STUDENT}, name="kd", kind="distill"), monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert "no accepted artifact to be the teacher" in result.fault.message


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_a_group_distills_as_one_process_does(strategy: str, taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = TRAIN | {"epochs": 1, "batchSize": 65, "strategy": strategy}
    alone, together = (student(taught, f"{strategy}-{name}", train=train) for name in ("alone", "together"))
    assert run_here(alone, monkeypatch)[0] == 0
    ended = run_group(together)
    assert ended.exit_code == 0, ended.log
    np.testing.assert_allclose(list(together.losses().values()), list(alone.losses().values()), rtol=1e-4)


@pytest.mark.slow
def test_a_stop_in_the_training_alone_goes_on_there(taught: Path) -> None:
    """Of 2 x 20 steps, the stop comes in the 30th: the student with its teacher is done by then."""
    environment = {"ONCE": str(taught / "stopped.once"), "AT": "34", "AT_RANK": "0"}
    train = TRAIN | {"epochs": 1, "loss": "tests.trainers.user_code:loss_that_stops"}
    job = student(taught, "halted", train=train, compareAlone=True)
    halted = Job(job.root, job.train, name=job.name, kind="distill", input=job.input, environment=environment)
    with pods(halted, processes=2) as (pod,):
        stopped = pod.wait()
    assert stopped.exit_code == 143, stopped.log
    assert (taught / "steps" / "halted" / "alone" / "history.jsonl").is_file()
    resumed = run_group(halted)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from == 20
    assert {"teacher", "student", "studentAlone"} <= resumed.result.details.keys()
