"""What comes after training with TensorFlow: exported and quantized artifacts, loaded by what will serve them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml
from ai_edge_litert.interpreter import Interpreter

from tests.trainers.runs import DIGITS, QUICK, Job, run_here
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array, digits
from trainwright_trainers.runtime.artifacts import read_artifact

pytestmark = pytest.mark.slow

BATCHES = (1, 7, 64)
CNN = {"factory": "trainwright_trainers.tensorflow.models:cnn", "args": {"widths": [16, 32, 64]}}

# As a user without this project serves a SavedModel.
SERVER = """
import sys, numpy, tensorflow
functions = tensorflow.saved_model.load(sys.argv[1]).signatures
inputs = numpy.load(sys.argv[2])
found = {
    f"{name}-{key}-{n}": value.numpy()
    for name, scale in (("serving_default", 1), ("raw", 16), ("labels", 1))
    for n in (1, 7, 64)
    for key, value in functions[name](input=tensorflow.constant(inputs[:n] * scale)).items()
}
assert not [name for name in sys.modules if name.startswith("trainwright")]
numpy.savez(sys.argv[3], **found)
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, StepResult]:
    """A network that was trained on the digits until it knows them."""
    train = {"epochs": 6, "batchSize": 64, "optimizer": QUICK}
    job = Job(tmp_path_factory.mktemp("network") / "job", train, CNN, framework="tensorflow")
    with pytest.MonkeyPatch.context() as patch:
        code, result = run_here(job, patch)
    assert code == 0, result
    return job, result


def after(
    job: Job, kind: str, options: dict[str, Any], name: str, source: str = "train", code: int = 0
) -> tuple[Job, StepResult]:
    """Run the step `name` on the artifact of another one; it must end with that exit code."""
    given = f"steps/{source}/artifact"
    step = Job(job.root, options, job.model, DIGITS, name, given, framework="tensorflow", kind=kind)
    with pytest.MonkeyPatch.context() as patch:
        ended, result = run_here(step, patch)
    assert ended == code, result
    return step, result


def samples() -> tuple[Array, Array]:
    """Inputs and targets of the validation split."""
    split: Any = digits().validation
    return split.inputs.astype(np.float32), split.targets


def trained_outputs(job: Job, inputs: Array) -> Array:
    """What the trained model gives."""
    from trainwright_trainers.tensorflow.predictors import subject_of

    artifact = read_artifact(job.directory / "artifact")
    return subject_of(artifact, Factory.model_validate(job.model)).open(1)(inputs)


def description(step: Job) -> dict[str, Any]:
    """The artifact.json of what a step made."""
    said: dict[str, Any] = json.loads((step.directory / "artifact" / "artifact.json").read_text())
    return said


def answers(model: Path, inputs: Array) -> Array:
    """What a TFLite model of one sample answers, as a user without this project converts the numbers."""
    interpreter = Interpreter(model_path=str(model))
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for sample in inputs:
        values = sample[None]
        if source["dtype"] is np.int8:
            scale, zero = source["quantization"]
            values = np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], values)
        interpreter.invoke()
        values = interpreter.get_tensor(result["index"])
        if result["dtype"] is np.int8:
            scale, zero = result["quantization"]
            values = (values.astype(np.float32) - zero) * scale
        outputs.append(values)
    return np.concatenate(outputs)


def test_a_saved_model_has_its_signatures_in_a_process_without_this_project(
    network: tuple[Job, StepResult], tmp_path: Path
) -> None:
    job, result = network
    step, exported = after(job, "export", {"format": "saved-model"}, "saved")
    assert exported.metrics.accuracy == result.metrics.accuracy
    assert exported.metrics.parameters == result.metrics.parameters
    assert exported.details["largestDifference"] < 1e-4
    inputs, _ = samples()
    np.save(tmp_path / "inputs.npy", inputs[:64])
    folder = step.directory / "artifact" / "1"
    command = [sys.executable, "-c", SERVER, folder, tmp_path / "inputs.npy", tmp_path / "found.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    wanted = trained_outputs(job, inputs[:64])
    odds = np.exp(wanted - wanted.max(axis=1, keepdims=True))
    for size in BATCHES:
        np.testing.assert_allclose(found[f"serving_default-output-{size}"], wanted[:size], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found[f"raw-output-{size}"], wanted[:size], rtol=1e-3, atol=1e-4)
        assert found[f"labels-label-{size}"].tolist() == wanted[:size].argmax(axis=1).tolist()
        probability = (odds.max(axis=1) / odds.sum(axis=1))[:size]
        np.testing.assert_allclose(found[f"labels-probability-{size}"], probability, rtol=1e-3)


@pytest.mark.parametrize(("layout", "extra"), [("tf-serving", []), ("kserve", ["inferenceservice.yaml"])])
def test_a_saved_model_is_laid_out_for_tensorflow_serving(
    network: tuple[Job, StepResult], layout: str, extra: list[str]
) -> None:
    job, _ = network
    step, exported = after(job, "export", {"format": "saved-model", "layout": layout}, layout)
    folder = step.directory / "artifact"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "artifact.json",
        *extra,
        "job/1/fingerprint.pb",
        "job/1/saved_model.pb",
        "job/1/variables/variables.data-00000-of-00001",
        "job/1/variables/variables.index",
        "manifest.json",
    ]
    assert json.loads((folder / "manifest.json").read_text())["file"] == "job/1/saved_model.pb"
    if extra:
        service = yaml.safe_load((folder / "inferenceservice.yaml").read_text())
        model = service["spec"]["predictor"]["model"]
        assert model["modelFormat"] == {"name": "tensorflow"}
        assert model["storageUri"].endswith(f"/steps/{layout}/artifact/job")
    # the next step finds it where it lies
    _, again = after(job, "evaluate", {}, "again", layout)
    assert again.metrics.accuracy == exported.metrics.accuracy


@pytest.mark.parametrize("any_batch", [True, False], ids=["any batch", "one sample"])
def test_an_onnx_model_answers_alike_in_onnx_runtime(network: tuple[Job, StepResult], any_batch: bool) -> None:
    job, _ = network
    step, _ = after(job, "export", {"format": "onnx", "dynamicBatch": any_batch}, "onnx")
    inputs, _ = samples()
    wanted = trained_outputs(job, inputs[:64])
    session = onnxruntime.InferenceSession(step.directory / "artifact" / "model.onnx")
    for size in BATCHES:
        batches = [inputs[:size]] if any_batch else [inputs[i : i + 1] for i in range(size)]
        found = np.concatenate([session.run(["output"], {"input": batch})[0] for batch in batches])
        np.testing.assert_allclose(found, wanted[:size], rtol=1e-3, atol=1e-4)
    assert description(step)["inputs"][0]["shape"] == ["batch" if any_batch else 1, 1, 8, 8]


def test_a_tflite_model_answers_alike_in_litert(network: tuple[Job, StepResult]) -> None:
    job, result = network
    step, exported = after(job, "export", {"format": "tflite", "dynamicBatch": False}, "tflite")
    assert exported.metrics.accuracy == result.metrics.accuracy
    inputs, _ = samples()
    found = answers(step.directory / "artifact" / "model.tflite", inputs[:64])
    np.testing.assert_allclose(found, trained_outputs(job, inputs[:64]), rtol=1e-3, atol=1e-4)


def test_full_int8_takes_and_gives_integers_at_a_quarter_of_the_size(network: tuple[Job, StepResult]) -> None:
    job, result = network
    options = {"scheme": "int8-static", "backend": "litert", "calibrationSamples": 100}
    step, quantized = after(job, "quantize", options, "int8")
    assert quantized.metrics.accuracy is not None and result.metrics.accuracy is not None
    assert result.metrics.accuracy > 0.95
    assert quantized.metrics.accuracy > result.metrics.accuracy - 0.01
    model = step.directory / "artifact" / "model.tflite"
    float_step, _ = after(job, "export", {"format": "tflite", "dynamicBatch": False}, "tflite")
    ratio = model.stat().st_size / (float_step.directory / "artifact" / "model.tflite").stat().st_size
    assert ratio < 0.33, "a quarter, and the shapes and scales beside it"
    said = description(step)
    assert (said["inputs"][0]["dtype"], said["outputs"][0]["dtype"]) == ("int8", "int8")
    assert said["inputs"][0]["quantization"]["scale"] == pytest.approx(1 / 255, rel=0.01)
    assert said["recipe"]["quantized"] == options
    types = {detail["dtype"] for detail in Interpreter(model_path=str(model)).get_tensor_details()}
    assert not types & {np.float32, np.float16}, "nothing is left in floats"
    inputs, labels = samples()
    assert (answers(model, inputs).argmax(axis=1) == labels).mean() == pytest.approx(quantized.metrics.accuracy)
    # exported as it is
    exported, _ = after(job, "export", {"format": "tflite", "dynamicBatch": False}, "as-it-is", "int8")
    assert (exported.directory / "artifact" / "model.tflite").read_bytes() == model.read_bytes()


@pytest.mark.parametrize(
    ("scheme", "backend", "size"),
    [("int8-dynamic", "litert", 0.33), ("float16", "litert", 0.55), ("int8-static", "onnxruntime", 0.4)],
)
def test_other_schemes_make_the_model_smaller_and_leave_it_as_good(
    network: tuple[Job, StepResult], scheme: str, backend: str, size: float
) -> None:
    job, result = network
    step, quantized = after(job, "quantize", {"scheme": scheme, "backend": backend}, "small")
    assert quantized.metrics.accuracy is not None and result.metrics.accuracy is not None
    assert quantized.metrics.accuracy > result.metrics.accuracy - 0.01
    assert quantized.metrics.size_bytes < size * quantized.reference.size_bytes  # type: ignore[operator]
    said = description(step)
    assert said["format"] == {"litert": "tflite", "onnxruntime": "onnx"}[backend]
    assert said["inputs"][0]["dtype"] == said["outputs"][0]["dtype"] == "float32"


@pytest.mark.parametrize(
    ("kind", "options", "source", "words"),
    [
        ("export", {"format": "saved-model"}, "int8", "the format tflite; this step needs a safetensors model"),
        ("quantize", {"scheme": "int8-weight-only", "backend": "litert"}, "train", "this trainer has no"),
        ("quantize", {"scheme": "int8-dynamic"}, "train", "int8-dynamic is for matrix products"),
    ],
)
def test_what_can_not_be_is_refused_in_words(
    network: tuple[Job, StepResult], kind: str, options: dict[str, Any], source: str, words: str
) -> None:
    job, _ = network
    if source == "int8":
        after(job, "quantize", {"scheme": "int8-static", "backend": "litert", "calibrationSamples": 20}, "int8")
    _, refused = after(job, kind, options, "no", source, code=2)
    assert refused.fault is not None
    assert words in refused.fault.message


def test_a_saved_model_that_writes_files_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    from trainwright_trainers.evaluation.saved_model import check_operations
    from trainwright_trainers.runtime.artifacts import ArtifactError

    class Hostile(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])  # type: ignore[untyped-decorator]
        def serve(self, content: Any) -> Any:
            tf.io.write_file(str(tmp_path / "written"), content)
            return {"output": content}

    hostile = Hostile()
    tf.saved_model.save(hostile, tmp_path / "model", signatures=hostile.serve)
    with pytest.raises(ArtifactError, match="more than to compute: it has the operations WriteFile"):
        check_operations(tmp_path / "model" / "saved_model.pb")
