"""Whole chains of real steps: training on two workers, faults, gates, and what the user's mistakes lead to."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.local.runs import Run, manifest, wait_for
from tests.trainers.fresh import fresh_outputs
from trainwright.api.loading import read_manifests
from trainwright_trainers.data import Arrays, digits

pytestmark = pytest.mark.slow

Start = Callable[..., Run]

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
MODEL = {
    "factory": "trainwright_trainers.pytorch.models:resnet8",
    "args": {"in_channels": 1, "classes": 10, "width": 8},
}
DATA = {"factory": "trainwright_trainers.data:digits"}
TRAIN = {
    "name": "train",
    "train": {
        "epochs": 6,
        "batchSize": 64,
        "optimizer": {"name": "AdamW", "learningRate": 3e-3},
        "checkpoint": {"everySteps": 10},
    },
}


def _example(name: str) -> dict[str, Any]:
    return next(read_manifests(EXAMPLES / f"{name}.yaml"))


def _training(workers: int = 2) -> dict[str, Any]:
    return manifest([TRAIN], model=MODEL, data=DATA, workers={"replicas": workers})


def _history(run: Run) -> list[dict[str, Any]]:
    path = run.output / "steps" / "train" / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _journal(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.output / "steps" / "train" / "journal.jsonl").read_text().splitlines()]


def _losses(run: Run) -> dict[int, float]:
    return {entry["step"]: entry["loss"] for entry in _history(run) if "loss" in entry}


def _status(run: Run) -> dict[str, Any]:
    status: dict[str, Any] = json.loads((run.output / "trainingjob.json").read_text())["status"]
    return status


def _checkpoints(run: Run) -> list[Path]:
    """The checkpoints that are complete, oldest first."""
    return sorted((run.output / "steps" / "train" / "checkpoints").glob("step-" + 8 * "[0-9]"))


def _checkpoint_after(run: Run, step: int) -> Path | None:
    return next((path for path in _checkpoints(run) if int(path.name.removeprefix("step-")) >= step), None)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """The loss at every step of a training that nothing happened to."""
    run = Run(tmp_path_factory.mktemp("uninterrupted"), _training())
    try:
        assert run.wait(900) == 0, run.said
        return _losses(run)
    finally:
        run.end()


def test_digits_example_runs_from_training_to_an_exported_int8_model(start: Start, tmp_path: Path) -> None:
    run = start(_example("digits-pytorch"))
    assert run.wait(900) == 0, run.said
    status = _status(run)
    assert {step["name"]: step["state"] for step in status["steps"]} == {
        "train": "Succeeded",
        "prune": "Succeeded",
        "int8": "Succeeded",
        "onnx": "Succeeded",
    }
    assert [artifact["name"] for artifact in status["artifacts"]] == ["train", "prune", "int8", "onnx"]
    accuracy = status["steps"][-1]["metrics"]["accuracy"]
    assert accuracy > 0.95
    _check_fresh(run.output / "steps" / "onnx" / "artifact" / "model.onnx", accuracy, tmp_path)


def test_jax_example_runs_from_training_to_a_program_and_an_int8_model(start: Start) -> None:
    run = start(_example("digits-jax"))
    assert run.wait(900) == 0, run.said
    status = _status(run)
    names = ["train", "prune", "program", "int8", "onnx"]
    assert {step["name"]: step["state"] for step in status["steps"]} == dict.fromkeys(names, "Succeeded")
    assert [artifact["name"] for artifact in status["artifacts"]] == names
    metrics = {step["name"]: step["metrics"] for step in status["steps"]}
    assert metrics["prune"]["parameters"] < 0.5 * metrics["train"]["parameters"]
    assert metrics["program"]["accuracy"] == metrics["prune"]["accuracy"]
    assert metrics["onnx"]["accuracy"] > 0.9
    assert (run.output / "steps" / "program" / "artifact" / "model.stablehlo").stat().st_size > 0


def test_tensorflow_example_runs_from_training_to_an_int8_model_a_saved_model_and_onnx(start: Start) -> None:
    run = start(_example("digits-tensorflow"))
    assert run.wait(900) == 0, run.said
    status = _status(run)
    names = ["train", "prune", "int8", "saved", "onnx", "measure"]
    assert {step["name"]: step["state"] for step in status["steps"]} == dict.fromkeys(names, "Succeeded")
    assert [(made["name"], made["format"]) for made in status["artifacts"]] == [
        ("train", "safetensors"),
        ("prune", "safetensors"),
        ("int8", "tflite"),
        ("saved", "saved-model"),
        ("onnx", "onnx"),
    ]
    metrics = {step["name"]: step["metrics"] for step in status["steps"]}
    assert metrics["train"]["accuracy"] > 0.95
    assert metrics["prune"]["parameters"] < 0.5 * metrics["train"]["parameters"]
    assert metrics["saved"]["accuracy"] == metrics["onnx"]["accuracy"] == metrics["prune"]["accuracy"] > 0.9
    assert metrics["int8"]["sizeBytes"] < 0.2 * metrics["train"]["sizeBytes"]
    assert "step saved begins from prune: int8 is tflite, which becomes no other format" in run.said
    exports = run.output / "steps"
    assert (exports / "saved" / "artifact" / "digits-tensorflow" / "1" / "saved_model.pb").stat().st_size > 0
    measured = json.loads((exports / "measure" / "result.json").read_text())["details"]["models"]
    assert [model["format"] for model in measured] == ["onnx", "safetensors", "safetensors"]


def test_killed_worker_costs_a_restart_and_not_a_digit_of_the_loss(
    start: Start, uninterrupted: dict[int, float]
) -> None:
    run = start(_training())
    wait_for(lambda: _checkpoint_after(run, 20), 600)
    workers = [process for process in run.descendants() if "trainwright_trainers.pytorch.worker" in process.cmdline()]
    os.kill(workers[-1].pid, signal.SIGKILL)
    assert run.wait(900) == 0, run.said
    assert _status(run)["restarts"] == 1
    assert "SIGKILL" in run.said
    assert _losses(run) == uninterrupted
    events = [(entry["event"], entry.get("outcome")) for entry in _journal(run)]
    assert events == [
        ("started", None),
        ("ended", "Failed"),
        ("started", None),
        ("resumed", None),
        ("ended", "Succeeded"),
    ]
    resumed = _journal(run)[3]
    assert resumed["step"] >= 20
    assert resumed["undoneSteps"] <= 2 * 10, "the interval of a checkpoint, and that of the one being written"


def test_checkpoint_that_was_cut_short_is_said_and_passed_over(start: Start, uninterrupted: dict[int, float]) -> None:
    body = _training()
    run = start(body)
    wait_for(lambda: _checkpoint_after(run, 20), 600)
    run.interrupt()
    assert run.wait(600) == 130, run.said
    newest = _checkpoints(run)[-1]
    tensors = newest / "tensors.safetensors"
    os.truncate(tensors, tensors.stat().st_size // 2)
    again = start(body)
    assert again.wait(900) == 0, again.said
    step = int(newest.name.removeprefix("step-"))
    assert f"the checkpoint of step {step} is damaged" in " ".join(_status(again)["steps"][0]["notes"])
    assert _losses(again) == uninterrupted


def test_distillation_example_goes_on_with_the_student(start: Start, tmp_path: Path) -> None:
    run = start(_example("distillation"))
    assert run.wait(900) == 0, run.said
    status = _status(run)
    assert [step["state"] for step in status["steps"]] == ["Succeeded"] * 3
    teacher, student, exported = (step["metrics"] for step in status["steps"])
    assert student["parameters"] < 0.15 * teacher["parameters"]
    told = json.loads((run.output / "steps" / "student" / "result.json").read_text())["details"]
    assert told["teacher"]["accuracy"] == pytest.approx(teacher["accuracy"])
    assert told["student"]["accuracy"] == pytest.approx(student["accuracy"])
    assert told["studentAlone"]["accuracy"] > 0.8
    # What is exported is the student, and a fresh process that knows nothing of ours runs it.
    assert exported["accuracy"] == pytest.approx(student["accuracy"])
    _check_fresh(run.output / "steps" / "onnx" / "artifact" / "model.onnx", exported["accuracy"], tmp_path)


def _check_fresh(model: Path, accuracy: float, folder: Path) -> None:
    """In a process without this repository, the model answers as well as was measured, at several batch sizes."""
    validation = digits().validation
    assert isinstance(validation, Arrays)
    found = fresh_outputs({"model": model}, validation.inputs, folder, (1, 7, len(validation)))
    everything = found[f"model-{len(validation)}"]
    assert (everything.argmax(axis=1) == validation.targets).mean() == pytest.approx(accuracy)
    for some in found.values():
        np.testing.assert_allclose(some, everything[: len(some)], rtol=1e-3, atol=1e-4)


def test_sharded_transformer_example_learns_to_predict_text(start: Start) -> None:
    body = _example("fsdp2")
    body["spec"]["data"]["args"]["max_bytes"] = 60_000
    body["spec"]["steps"][0]["gate"]["accuracy"]["threshold"] = 0.15  # of less text, less is learned
    run = start(body)
    assert run.wait(900) == 0, run.said
    newest = _checkpoints(run)[-1]
    assert len(list(newest.glob("shard-*.safetensors"))) == 2
    assert (run.output / "steps" / "train" / "artifact" / "model.safetensors").is_file()


def test_missed_gate_rolls_back_and_the_chain_goes_on_from_the_trained_model(start: Start) -> None:
    run = start(_example("gate-rollback"))
    assert run.wait(900) == 0, run.said
    status = _status(run)
    assert [step["state"] for step in status["steps"]] == ["Succeeded", "RolledBack", "Succeeded"]
    assert [artifact["name"] for artifact in status["artifacts"]] == ["train", "onnx"]
    exported = json.loads((run.output / "steps" / "onnx" / "artifact" / "artifact.json").read_text())
    assert exported["parent"]["name"] == "train"


def test_missed_gate_with_fail_ends_the_job_with_both_numbers(start: Start) -> None:
    run = start(_example("gate-fail"))
    assert run.wait(900) == 1
    status = _status(run)
    pruned = status["steps"][1]
    failed = next(condition for condition in status["conditions"] if condition["type"] == "Failed")
    assert failed["reason"] == "GateMissed"
    assert f"{pruned['metrics']['accuracy']:.6g}" in failed["message"]
    assert f"{status['steps'][0]['metrics']['accuracy'] - 0.01:.6g}" in failed["message"]


USER_DATA = """
import numpy as np
from trainwright_trainers.data import Arrays, Splits, digits

def dim_calibration():
    splits = digits()
    dim = Arrays(splits.calibration.inputs * 0.125, splits.calibration.targets)
    return Splits(splits.train, splits.validation, dim)

def flat_images():
    splits = digits()
    flat = [Arrays(part.inputs.reshape(len(part), -1), part.targets) for part in (splits.train, splits.validation)]
    return Splits(*flat)

def of_wrong_type():
    return 7
"""


def test_bad_calibration_data_is_caught_by_the_gate(start: Start, tmp_path: Path) -> None:
    (tmp_path / "user_data.py").write_text(USER_DATA)
    quantize = {
        "name": "int8",
        "quantize": {"scheme": "int8-static", "calibrationSamples": 100},
        "gate": {"accuracy": {"maxDegradation": 0.05}},
    }
    body = manifest([TRAIN, quantize], model=MODEL, data={"factory": "user_data:dim_calibration"})
    run = start(body)
    assert run.wait(900) == 1, run.said
    status = _status(run)
    trained, quantized = (step["metrics"]["accuracy"] for step in status["steps"])
    assert quantized < trained - 0.05
    assert status["steps"][1]["gate"]["passed"] is False


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"factory": "no_such_package.models:net"}}, ["spec.model.factory", "no_such_package"]),
        (
            {"model": {"factory": "trainwright_trainers.pytorch.models:resnet9"}},
            ["spec.model.factory", "resnet9", "resnet8"],
        ),
        ({"model": MODEL | {"args": {"clases": 10}}}, ["spec.model.args", "clases"]),
        ({"data": {"factory": "user_data:of_wrong_type"}}, ["spec.data.factory", "int"]),
        ({"data": {"factory": "user_data:flat_images"}}, ["64"]),
    ],
    ids=["no module", "no attribute", "wrong argument", "data of a wrong type", "data of a wrong shape"],
)
def test_mistake_that_only_running_shows_ends_at_once_in_the_right_words(
    start: Start, tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    (tmp_path / "user_data.py").write_text(USER_DATA)
    run = start(manifest([TRAIN], **({"model": MODEL, "data": DATA} | changes)))
    assert run.wait(900) == 2, run.said
    assert run.said.count("begins") == 1, "it is not tried again"
    for word in words:
        assert word in run.said
    assert "Traceback" not in run.said
