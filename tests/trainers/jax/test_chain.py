"""What comes after training with JAX: measured, exported and quantized artifacts, loaded by what will serve them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml

from tests.trainers.fresh import BATCHES, fresh_outputs
from tests.trainers.jax.conftest import after
from tests.trainers.optimized import operators_run
from tests.trainers.runs import DIGITS, Job, run_here
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.data import digits
from trainwright_trainers.jax.artifacts import load_model
from trainwright_trainers.jax.predictors import open_model
from trainwright_trainers.runtime.artifacts import read_artifact

pytestmark = pytest.mark.slow

# As a user without this project loads a StableHLO program.
LOADER = """
import sys, numpy, jax.export, safetensors.numpy
folder = sys.argv[1]
program = jax.export.deserialize(bytearray(open(f"{folder}/model.stablehlo", "rb").read()))
weights = safetensors.numpy.load_file(f"{folder}/model.safetensors")
inputs = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], program.call(weights, inputs))
"""

# As a phone runs a TFLite model, sample by sample.
TFLITE_LOADER = """
import sys, numpy
from ai_edge_litert.interpreter import Interpreter
model = Interpreter(model_path=sys.argv[1])
model.allocate_tensors()
def run(sample):
    model.set_tensor(model.get_input_details()[0]["index"], sample[None])
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])
numpy.save(sys.argv[3], numpy.concatenate([run(sample) for sample in numpy.load(sys.argv[2])]))
assert not [name for name in sys.modules if name.startswith(("trainwright", "jax", "tensorflow"))]
"""


def inputs_and_labels() -> tuple[np.ndarray, np.ndarray]:
    split = digits().validation
    return split.inputs.astype(np.float32), split.targets  # type: ignore[attr-defined]


def trained_outputs(job: Job, inputs: np.ndarray) -> np.ndarray:
    """What the trained model gives."""
    source = read_artifact(job.root / "steps" / "train" / "artifact")
    found: np.ndarray = open_model(load_model(source, Factory.model_validate(job.model)), 1)(inputs)
    return found


def test_the_artifact_measures_again_as_it_was_trained(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, result = trained
    again = after(job, "evaluate", {}, monkeypatch)
    assert result.metrics.accuracy is not None
    assert result.metrics.accuracy > 0.3
    assert again.metrics.accuracy == result.metrics.accuracy
    assert again.metrics.parameters == result.metrics.parameters


def test_a_stablehlo_program_runs_without_this_project(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job, result = trained
    exported = after(job, "export", {"format": "stablehlo"}, monkeypatch)
    assert exported.metrics.accuracy == result.metrics.accuracy
    assert exported.metrics.parameters == result.metrics.parameters
    inputs, labels = inputs_and_labels()
    np.save(tmp_path / "inputs.npy", inputs[:33])
    folder = job.root / "steps" / "export" / "artifact"
    arguments = [sys.executable, "-c", LOADER, str(folder), str(tmp_path / "inputs.npy"), str(tmp_path / "out.npy")]
    subprocess.run(arguments, check=True, timeout=300)
    assert b".py" not in (folder / "model.stablehlo").read_bytes(), "it names folders of this machine"
    outputs = np.load(tmp_path / "out.npy")
    assert outputs.shape == (33, 10)
    assert (outputs.argmax(axis=1) == labels[:33]).mean() == pytest.approx(result.metrics.accuracy, abs=0.25)


def test_a_saved_model_takes_any_batch_and_runs_in_a_process_with_tensorflow_alone(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job, result = trained
    exported = after(job, "export", {"format": "saved-model"}, monkeypatch, name="saved-model")
    assert exported.metrics.accuracy == result.metrics.accuracy
    assert exported.metrics.parameters == result.metrics.parameters
    folder = job.root / "steps" / "saved-model" / "artifact"
    description = read_artifact(folder).description
    assert [(one.name, one.dtype, one.shape) for one in (*description.inputs, *description.outputs)] == [
        ("input", "float32", ["batch", 1, 8, 8]),
        ("output", "float32", ["batch", 10]),
    ]
    inputs, _ = inputs_and_labels()
    wanted = trained_outputs(job, inputs[:64])
    assert np.ptp(wanted) > 1
    for outputs in fresh_outputs({"saved": folder / "1" / "saved_model.pb"}, inputs, tmp_path).values():
        np.testing.assert_allclose(outputs, wanted[: len(outputs)], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("trained", ["cnn"], indirect=True)
def test_what_is_laid_out_for_a_server_answers_alike_without_this_project(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job, result = trained
    files = {"tf-serving": "1/saved_model.pb", "kserve": "1/saved_model.pb", "triton": "1/model.onnx"}
    for layout, file in files.items():
        options = {"format": "onnx" if file.endswith("onnx") else "saved-model", "layout": layout}
        exported = after(job, "export", options, monkeypatch, name=layout)
        assert exported.metrics.accuracy == result.metrics.accuracy
    folders = {layout: job.root / "steps" / layout / "artifact" for layout in files}
    service = yaml.safe_load((folders["kserve"] / "inferenceservice.yaml").read_text())
    served = service["spec"]["predictor"]["model"]
    assert served["modelFormat"] == {"name": "tensorflow"}
    assert served["storageUri"].endswith("/steps/kserve/artifact/job")
    configuration = (folders["triton"] / "job" / "config.pbtxt").read_text().splitlines()
    assert configuration[:3] == ['name: "job"', 'platform: "onnxruntime_onnx"', "max_batch_size: 64"]
    assert configuration[4] == 'output [ { name: "output" data_type: TYPE_FP32 dims: [ 10 ] } ]'
    inputs, _ = inputs_and_labels()
    wanted = trained_outputs(job, inputs[:64])
    models = {layout: folders[layout] / "job" / file for layout, file in files.items()}
    found = fresh_outputs(models, inputs, tmp_path)
    assert len(found) == 3 * len(BATCHES)
    for outputs in found.values():
        np.testing.assert_allclose(outputs, wanted[: len(outputs)], rtol=1e-3, atol=1e-4)


def test_a_tflite_model_runs_in_a_process_with_its_interpreter_alone(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job, result = trained
    exported = after(job, "export", {"format": "tflite", "dynamicBatch": False}, monkeypatch, name="tflite")
    assert exported.metrics.accuracy == result.metrics.accuracy
    file = job.root / "steps" / "tflite" / "artifact" / "model.tflite"
    inputs, _ = inputs_and_labels()
    np.save(tmp_path / "inputs.npy", inputs[:7])
    arguments = [str(file), str(tmp_path / "inputs.npy"), str(tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-c", TFLITE_LOADER, *arguments], check=True, timeout=300)
    wanted = trained_outputs(job, inputs[:7])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), wanted, rtol=1e-3, atol=1e-4)


def test_an_onnx_model_takes_any_batch_and_answers_alike(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, result = trained
    exported = after(job, "export", {"format": "onnx"}, monkeypatch)
    assert exported.details["largestDifference"] < 1e-4
    inputs, labels = inputs_and_labels()
    session = onnxruntime.InferenceSession(job.root / "steps" / "export" / "artifact" / "model.onnx")
    (outputs,) = session.run(None, {session.get_inputs()[0].name: inputs})
    assert (outputs.argmax(axis=1) == labels).mean() == pytest.approx(result.metrics.accuracy, abs=0.003)


def test_a_quantized_model_is_smaller_and_nearly_as_good(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job, result = trained
    options = {"scheme": "int8-static", "backend": "onnxruntime", "calibrationSamples": 100}
    quantized = after(job, "quantize", options, monkeypatch)
    assert quantized.metrics.accuracy is not None
    assert quantized.reference.accuracy == result.metrics.accuracy
    assert quantized.metrics.accuracy > result.metrics.accuracy - 0.05  # type: ignore[operator]
    description = json.loads((job.root / "steps" / "quantize" / "artifact" / "artifact.json").read_text())
    assert description["format"] == "onnx"
    assert description["recipe"]["quantized"] == options
    assert description["parent"]["name"] == "train"
    operators = operators_run(job.root / "steps" / "quantize" / "artifact" / "model.onnx", tmp_path)
    assert sum(operators[name] for name in ("QLinearConv", "QLinearMatMul", "MatMulIntegerToFloat", "QGemm")) > 1
    assert not operators.keys() & {"Conv", "FusedConv", "Gemm", "MatMul"}, operators


def test_weights_of_another_model_are_refused(trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch) -> None:
    job, _ = trained
    other = {"factory": job.model["factory"], "args": {"classes": 11}}
    step = Job(job.root, {}, other, DIGITS, "evaluate", "steps/train/artifact", framework="jax", kind="evaluate")
    code, result = run_here(step, monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert "the same factory with the same arguments" in result.fault.message
