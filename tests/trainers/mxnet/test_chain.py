"""What comes after training with MXNet: artifacts that are measured, pruned, quantized, exported, and then loaded by
what will serve them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.numpy
import torch

from manifests.examples import mxnet_to_torch
from tests.trainers.mxnet.conftest import TRAIN, after, run_after
from tests.trainers.runs import Job
from trainwright.api.contract import StepResult
from trainwright.local.interpreters import interpreter_of
from trainwright_trainers.data import digits

pytestmark = pytest.mark.slow

# As a user without this project loads a symbol.
LOADER = """
import sys, mxnet, numpy
files = (f"{sys.argv[1]}/model-{name}" for name in ("symbol.json", "0000.params"))
block = mxnet.gluon.SymbolBlock.imports(next(files), ["data"], next(files))
numpy.save(sys.argv[3], block(mxnet.nd.array(numpy.load(sys.argv[2]))).asnumpy())
"""


def inputs_and_labels() -> tuple[np.ndarray, np.ndarray]:
    split = digits().validation
    return split.inputs.astype(np.float32), split.targets  # type: ignore[attr-defined]


def accuracy(outputs: np.ndarray) -> float:
    return float((outputs.argmax(axis=1) == inputs_and_labels()[1]).mean())


def served_by_onnxruntime(path: Path) -> np.ndarray:
    """The outputs of a model in the newest ONNX Runtime, which is not the one that the trainer has."""
    session = onnxruntime.InferenceSession(path)
    (outputs,) = session.run(None, {session.get_inputs()[0].name: inputs_and_labels()[0]})
    found: np.ndarray = outputs
    return found


def artifact(job: Job, name: str) -> Path:
    return job.root / "steps" / name / "artifact"


def test_the_artifact_measures_again_as_it_was_trained(trained: tuple[Job, StepResult]) -> None:
    job, result = trained
    again = after(job, "evaluate", {})
    assert result.metrics.accuracy is not None
    assert result.metrics.accuracy > 0.8
    assert again.metrics.accuracy == result.metrics.accuracy
    assert again.metrics.parameters == result.metrics.parameters


def test_an_onnx_model_answers_alike_in_a_current_runtime(trained: tuple[Job, StepResult]) -> None:
    job, result = trained
    exported = after(job, "export", {"format": "onnx", "layout": "triton"}, "onnx")
    assert exported.details["largestDifference"] < 1e-4
    (path,) = artifact(job, "onnx").rglob("model.onnx")
    assert accuracy(served_by_onnxruntime(path)) == pytest.approx(result.metrics.accuracy, abs=1e-6)
    model = onnx.load(path)
    assert [value.name for value in model.graph.input] == ["input"]
    assert model.opset_import[0].version == 13
    assert len(list(artifact(job, "onnx").rglob("config.pbtxt"))) == 1


def test_the_guides_program_gives_a_pytorch_model_of_the_same_answers(trained: tuple[Job, StepResult]) -> None:
    job, result = trained
    model = mxnet_to_torch.network(widths=(8, 16)).eval()
    mxnet_to_torch.load(artifact(job, "train"), model)
    with torch.inference_mode():
        outputs = model(torch.from_numpy(inputs_and_labels()[0])).numpy()
    assert accuracy(outputs) == pytest.approx(result.metrics.accuracy, abs=1e-6)
    after(job, "export", {"format": "onnx"}, "plain-onnx")
    np.testing.assert_allclose(outputs, served_by_onnxruntime(artifact(job, "plain-onnx") / "model.onnx"), atol=1e-4)


def test_a_symbol_runs_without_this_project(trained: tuple[Job, StepResult], tmp_path: Path) -> None:
    job, result = trained
    exported = after(job, "export", {"format": "mxnet-symbol"}, "symbol")
    assert exported.metrics.parameters == result.metrics.parameters
    np.save(tmp_path / "inputs.npy", inputs_and_labels()[0])
    files = [str(artifact(job, "symbol")), str(tmp_path / "inputs.npy"), str(tmp_path / "outputs.npy")]
    subprocess.run([interpreter_of("mxnet"), "-c", LOADER, *files], check=True, timeout=300)
    assert accuracy(np.load(tmp_path / "outputs.npy")) == result.metrics.accuracy


@pytest.mark.parametrize(("backend", "format"), [("onnxruntime", "onnx"), ("mxnet", "mxnet-symbol")])
def test_an_int8_model_loses_less_than_a_point(backend: str, format: str, trained: tuple[Job, StepResult]) -> None:
    job, result = trained
    options = {"scheme": "int8-static", "backend": backend, "calibrationSamples": 100}
    quantized = after(job, "quantize", options, f"int8-{backend}")
    assert quantized.metrics.accuracy is not None
    assert quantized.reference.accuracy == result.metrics.accuracy
    assert quantized.metrics.accuracy > result.metrics.accuracy - 0.01  # type: ignore[operator]
    description = json.loads((artifact(job, f"int8-{backend}") / "artifact.json").read_text())
    assert description["format"] == format
    assert description["recipe"]["quantized"] == options
    exported = after(job, "export", {"format": format}, f"out-{backend}", f"int8-{backend}")
    assert exported.metrics.accuracy == quantized.metrics.accuracy
    if format == "onnx":
        outputs = served_by_onnxruntime(artifact(job, f"out-{backend}") / "model.onnx")
        assert accuracy(outputs) == pytest.approx(quantized.metrics.accuracy, abs=0.01)


@pytest.mark.parametrize(("method", "name"), [("l1-unstructured", "single"), ("l1-semi-structured", "of-four")])
def test_pruned_weights_stay_zero_while_the_others_learn(
    method: str, name: str, trained: tuple[Job, StepResult]
) -> None:
    job, result = trained
    options = {"method": method, "amount": 0.5, "finetuneEpochs": 4, "optimizer": TRAIN["optimizer"]}
    pruned = after(job, "prune", options, name)
    assert pruned.metrics.accuracy is not None
    assert pruned.metrics.accuracy > result.metrics.accuracy - 0.1  # type: ignore[operator]
    before, now = (safetensors.numpy.load_file(artifact(job, step) / "model.safetensors") for step in ("train", name))
    kernels = [name for name in now if now[name].ndim > 1 and now[name].shape[1] % 4 == 0]
    assert len(kernels) == 2
    for kernel in kernels:
        assert (now[kernel] == 0).mean() == pytest.approx(0.5, abs=0.02)
        left = now[kernel] != 0
        assert not np.array_equal(now[kernel][left], before[kernel][left])


def test_channels_are_not_pruned(trained: tuple[Job, StepResult]) -> None:
    ended = run_after(trained[0], "prune", {"method": "l1-structured", "amount": 0.5, "finetuneEpochs": 0}, "channels")
    assert ended.exit_code == 2
    assert ended.result.fault is not None
    assert "follows no channels" in ended.result.fault.message


def test_a_student_learns_from_its_teacher(trained: tuple[Job, StepResult]) -> None:
    job, result = trained
    student = {"factory": "trainwright_trainers.mxnet.models:mlp", "args": {"hidden": [16]}}
    options = {"student": student, "alpha": 0.0, "compareAlone": True, "train": TRAIN | {"epochs": 2}}
    hard = after(job, "distill", options, "hard")
    assert hard.details["student"] == hard.details["studentAlone"]
    assert hard.details["teacher"]["accuracy"] == pytest.approx(result.metrics.accuracy)
    soft = after(job, "distill", options | {"alpha": 1.0, "compareAlone": False}, "soft")
    assert soft.metrics.accuracy is not None
    assert soft.metrics.accuracy > 0.5
    assert soft.metrics.accuracy != hard.metrics.accuracy
    described = json.loads((artifact(job, "soft") / "artifact.json").read_text())
    assert described["model"] == student
    assert described["parent"]["name"] == "train"


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_a_profile_names_the_dearest_operations_and_leaves_a_trace(mode: str, trained: tuple[Job, StepResult]) -> None:
    job, _ = trained
    result = after(job, "profile", {"steps": 3, "batchSize": 64, "mode": mode}, f"where-{mode}")
    operators = result.details["operators"]
    assert len(operators) > 2
    assert sum(entry["share"] for entry in operators) <= 1.001
    assert all(entry["callsPerStep"] > 0 for entry in operators)
    (path,) = result.details["files"]
    names = {event.get("name") for event in json.loads((job.root / path).read_text())["traceEvents"]}
    assert operators[0]["name"] in names


def test_weights_of_another_model_are_refused(trained: tuple[Job, StepResult]) -> None:
    job, _ = trained
    other = Job(job.root, {}, {"factory": job.model["factory"], "args": {"classes": 11}})
    ended = run_after(other, "evaluate", {}, "other")
    assert ended.exit_code == 2
    assert ended.result.fault is not None
    assert "the same factory with the same arguments" in ended.result.fault.message
