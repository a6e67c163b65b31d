"""Training in one process: what the options do, and what ends a training or doesn't."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainers.runs import DIGITS, MLP, QUICK, Job, run_here
from trainwright_trainers.pytorch import checkpointing
from trainwright_trainers.pytorch.optimization import OPTIMIZERS, SCHEDULES

USER = "tests.trainers.user_code"
RESNET = {"factory": "trainwright_trainers.pytorch.models:resnet8", "args": {"width": 4}}
BRIEF = {"epochs": 1, "batchSize": 64, "optimizer": QUICK}
NEEDED = {
    "steplr": {"step_size": 5},
    "multisteplr": {"milestones": [5, 10]},
    "exponentiallr": {"gamma": 0.99},
    "cosineannealingwarmrestarts": {"T_0": 5},
}
"""Arguments without a default."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path / "job", BRIEF | {"precision": precision, "epochs": 3}, RESNET)
    code, result = run_here(job, monkeypatch)
    assert (code, result.outcome) == (0, "Succeeded")
    losses = list(job.losses().values())
    assert losses[-1] < 0.7 * losses[0]
    reference = Job(tmp_path / "fp32", BRIEF | {"epochs": 3}, RESNET)
    run_here(reference, monkeypatch)
    exact = list(reference.losses().values())
    assert losses[0] != exact[0]
    assert losses[0] == pytest.approx(exact[0], rel=0.02)


def test_accumulated_parts_give_the_whole_batchs_gradient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Job(tmp_path / "whole", BRIEF | {"batchSize": 100})
    parts = Job(tmp_path / "parts", BRIEF | {"batchSize": 100, "gradientAccumulation": 7})
    for job in (whole, parts):
        assert run_here(job, monkeypatch)[0] == 0
    np.testing.assert_allclose(list(parts.losses().values()), list(whole.losses().values()), rtol=1e-4)


def test_clipping_bounds_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"name": "SGD", "learningRate": 1.0}
    clipped = Job(tmp_path / "clipped", BRIEF | {"optimizer": plain, "gradientClipping": 1e-9})
    assert run_here(clipped, monkeypatch)[0] == 0
    losses = list(clipped.losses().values())
    assert max(losses) - min(losses) < 0.2  # it stands still; only the samples differ


def test_a_step_after_a_train_step_goes_on_from_its_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Job(tmp_path / "job", BRIEF | {"epochs": 4})
    _, before = run_here(first, monkeypatch)
    second = Job(tmp_path / "job", BRIEF, name="more", input="steps/train/artifact")
    code, after = run_here(second, monkeypatch)
    assert code == 0
    assert second.losses()[1] < 0.5 * first.losses()[1]
    assert after.reference.accuracy == before.metrics.accuracy
    assert after.artifact is not None
    assert after.artifact.path == "steps/more/artifact"


@pytest.mark.parametrize("name", [kind.__name__ for kind in OPTIMIZERS.values()])
def test_every_optimizer_trains_and_resumes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = BRIEF | {"epochs": 2, "optimizer": {"name": name.upper()}, "checkpoint": {"everySteps": 7}}
    job = Job(tmp_path / "job", options)
    assert run_here(job, monkeypatch)[0] == 0
    losses, weights = job.losses(), job.weights()
    _leave_only(job, step=35)
    code, result = run_here(job, monkeypatch)
    assert (code, result.resumed_from) == (0, 35)
    assert job.losses() == losses
    assert job.weights() == weights


@pytest.mark.parametrize("warmup", [0, 6])
@pytest.mark.parametrize("name", [kind.__name__ for kind in SCHEDULES.values()])
def test_every_schedule_runs_its_length_and_resumes(
    name: str, warmup: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = {"name": name.lower(), "warmupSteps": warmup, "args": NEEDED.get(name.lower(), {})}
    job = Job(tmp_path / "job", BRIEF | {"schedule": schedule, "checkpoint": {"everySteps": 9}})
    assert run_here(job, monkeypatch)[0] == 0
    history = job.history()
    rates = [record["learningRate"] for record in history if "learningRate" in record]
    assert len(set(rates)) > 1 or name == "ConstantLR"
    if warmup:
        assert rates[0] == pytest.approx(rates[1] - rates[0], rel=0.5)
    _leave_only(job, step=18)
    _, result = run_here(job, monkeypatch)
    assert result.resumed_from == 18
    assert [record["learningRate"] for record in job.history() if "learningRate" in record] == rates


def test_cosine_reaches_its_end_with_the_last_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path / "job", BRIEF | {"epochs": 2, "schedule": {"name": "CosineAnnealingLR"}})
    run_here(job, monkeypatch)
    rates = [record["learningRate"] for record in job.history() if "learningRate" in record]
    assert rates[0] == 5e-3
    assert 0 < rates[-1] < 5e-5


@pytest.mark.parametrize("file", ["manifest.json", "state.json", "tensors.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "gone", "changed"])
def test_a_damaged_checkpoint_is_passed_over_and_said(
    file: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path / "job", BRIEF | {"checkpoint": {"everySteps": 8}})
    run_here(job, monkeypatch)
    losses = job.losses()
    path = job.checkpoints / "step-00000020" / file
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    code, result = run_here(job, monkeypatch)
    assert (code, result.resumed_from) == (0, 16)
    assert "step 20" in result.notes[0]
    assert job.losses() == losses


def test_a_full_disk_is_said_and_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = checkpointing.write_tensors

    def write(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if "00000008" in str(path):
            path.write_bytes(b"the first bytes")
            raise OSError(errno.ENOSPC, "No space left on device")
        written(tensors, path)

    monkeypatch.setattr(checkpointing, "write_tensors", write)
    job = Job(tmp_path / "job", BRIEF | {"checkpoint": {"everySteps": 4, "keep": 10}})
    code, result = run_here(job, monkeypatch)
    assert code == 0
    assert result.notes == ["the checkpoint of step 8 could not be saved: [Errno 28] No space left on device"]
    assert sorted(path.name[-2:] for path in job.checkpoints.iterdir()) == ["04", "12", "16", "20"]


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path / "job", BRIEF | {"checkpoint": {"everySteps": 3, "keep": 3}})
    run_here(job, monkeypatch)
    assert sorted(path.name for path in job.checkpoints.iterdir()) == [f"step-000000{step}" for step in (15, 18, 20)]


def test_a_loss_that_is_not_finite_ends_the_training_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{USER}.calls", 0)
    job = Job(tmp_path / "job", BRIEF | {"loss": f"{USER}:loss_of_infinity"})
    code, result = run_here(job, monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert result.fault.kind == "NonFiniteLossError"
    assert "optimizer step 5 is inf at a learning rate of 0.005" in result.fault.message
    assert not list(job.checkpoints.glob("*"))


def test_a_weight_that_is_no_number_is_published_by_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path / "job", BRIEF, {"factory": f"{USER}:Hiding"})
    code, result = run_here(job, monkeypatch)
    assert all(map(np.isfinite, job.losses().values()))
    assert code == 2
    assert result.fault is not None
    assert result.fault.kind == "NonFiniteWeightsError"
    assert "spec.steps[train]: hidden of the trained model has values that are no numbers" in result.fault.message
    assert not (job.directory / "artifact").exists()


def test_progress_is_served_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setattr(f"{USER}.calls", 0)
    page = tmp_path / "metrics.txt"
    environment = {"ONCE": str(page), "AT": "30", "TRAINWRIGHT_METRICS_PORT": str(free_port)}
    options = BRIEF | {"epochs": 2, "loss": f"{USER}:loss_that_scrapes", "gradientClipping": 1.0}
    assert run_here(Job(tmp_path / "job", options, environment=environment), monkeypatch)[0] == 0
    lines = [line.split() for line in page.read_text().splitlines() if not line.startswith("#")]
    values = {name.removeprefix("trainwright_training_").partition("{")[0]: float(value) for name, value in lines}
    assert values["step"] == 28
    assert 0.5 <= values["progress_ratio"] < 1
    assert values["accuracy"] > 0.3
    assert values["learning_rate"] == 0.005
    assert values["samples_per_second"] > 0
    assert values["gradient_norm"] > 0
    assert values["process_memory_bytes"] > 1e7


BAD: dict[str, tuple[dict[str, object], dict[str, object], dict[str, object], list[str]]] = {
    "no such module": ({}, {"factory": "no_such.models:mlp"}, DIGITS, ["spec.model.factory", "'no_such'"]),
    "no such attribute": (
        {},
        {"factory": "trainwright_trainers.pytorch.models:resnet81"},
        DIGITS,
        ["spec.model.factory", "resnet81", "resnet8"],
    ),
    "not callable": ({}, {"factory": f"{USER}:calls"}, DIGITS, ["spec.model.factory", "callable"]),
    "not a model": ({}, {"factory": f"{USER}:not_a_model"}, DIGITS, ["spec.model.factory", "torch.nn.Module", "str"]),
    "unknown argument": ({}, MLP | {"args": {"clases": 10}}, DIGITS, ["spec.model.args", "clases", "classes"]),
    "argument of a wrong type": ({}, MLP | {"args": {"classes": "ten"}}, DIGITS, ["spec.model.args.classes", "'ten'"]),
    "inputs that don't fit": ({}, MLP | {"args": {"inputs": 63}}, DIGITS, ["spec.model", "[4, 1, 8, 8]", "63x128"]),
    "too few outputs": ({}, MLP | {"args": {"classes": 9}}, DIGITS, ["spec.data", "0 to 9", "9 outputs"]),
    "nothing to train": ({}, {"factory": f"{USER}:frozen_model"}, DIGITS, ["spec.model", "no parameter"]),
    "odd state": ({}, {"factory": f"{USER}:unpicklable_state"}, DIGITS, ["spec.model", "_extra_state", "object"]),
    "not splits": ({}, MLP, {"factory": f"{USER}:not_splits"}, ["spec.data.factory", "int"]),
    "an empty split": ({}, MLP, {"factory": f"{USER}:empty_split"}, ["spec.data.factory", "validation", "empty"]),
    "a label out of range": ({}, MLP, {"factory": f"{USER}:eleven_labels"}, ["train", "0 to 10", "10 outputs"]),
    "texts": ({}, MLP, {"factory": f"{USER}:texts"}, ["spec.data.factory", "numbers"]),
    "no such file": (
        {},
        MLP,
        {"factory": "trainwright_trainers.data:npz", "args": {"path": "/no/such.npz"}},
        ["spec.data.args.path", "/no/such.npz"],
    ),
    "data's argument out of range": (
        {},
        MLP,
        DIGITS | {"args": {"validation": 1.5}},
        ["spec.data.args.validation", "less than 1"],
    ),
    "unknown optimizer": ({"optimizer": {"name": "Adan"}}, MLP, DIGITS, ["train.optimizer.name", "'Adan'", "Adam"]),
    "optimizer's argument": (
        {"optimizer": {"name": "SGD", "args": {"betas": [0.9, 0.99]}}},
        MLP,
        DIGITS,
        ["train.optimizer.args", "betas", "momentum"],
    ),
    "learning rate twice": ({"optimizer": {"args": {"lr": 1.0}}}, MLP, DIGITS, ["optimizer.args.lr", "learningRate"]),
    "unknown schedule": ({"schedule": {"name": "cosine"}}, MLP, DIGITS, ["schedule.name", "CosineAnnealingLR"]),
    "schedule without what it needs": ({"schedule": {"name": "StepLR"}}, MLP, DIGITS, ["schedule.args", "step_size"]),
    "only warm-up": (
        {"schedule": {"name": "LinearLR", "warmupSteps": 20}},
        MLP,
        DIGITS,
        ["schedule.warmupSteps", "20"],
    ),
    "unknown loss": ({"loss": "CrossEntropy"}, MLP, DIGITS, ["train.loss", "CrossEntropyLoss"]),
    "a loss of other shapes": ({"loss": "MSELoss"}, MLP, DIGITS, ["train.loss", "[4, 10]", "[4]"]),
    "a loss that is no mean": ({"loss": f"{USER}:loss_of_many"}, MLP, DIGITS, ["train.loss", "one number", "[4]"]),
    "a batch too large": ({"batchSize": 5000}, MLP, DIGITS, ["train.batchSize", "5000", "1238"]),
    "too many parts": ({"gradientAccumulation": 100}, MLP, DIGITS, ["train.gradientAccumulation", "100", "64"]),
    "one sample for batch norm": (
        {"batchSize": 1237},
        {"factory": f"{USER}:with_batch_norm"},
        DIGITS,
        ["spec.model", "[1, 1, 8, 8]", "more than 1 value", "batchSize"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_configuration_is_told_in_words(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options, model, data, words = BAD[case]
    code, result = run_here(Job(tmp_path / "job", BRIEF | options, model, data), monkeypatch)
    assert code == 2
    assert result.outcome == "Failed"
    assert result.fault is not None
    for word in words:
        assert word in result.fault.message, result.fault.message
    assert "Traceback" not in capfd.readouterr().err


def _leave_only(job: Job, step: int) -> None:
    """As if a training had been killed soon after the checkpoint of `step`."""
    kept = job.checkpoints / f"step-{step:08d}"
    assert kept.is_dir()
    for path in job.checkpoints.iterdir():
        if path != kept:
            shutil.rmtree(path)
    shutil.rmtree(job.directory / "artifact")
