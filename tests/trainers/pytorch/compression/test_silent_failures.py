"""What converters are known to get wrong without a word, done here on purpose: each is caught by a check of ours.

Others stand beside what they belong to: scaled and leaked calibration in test_quantize, example inputs in a .pt2 and a
traced branch in test_formats, a batch size that ONNX fixed and a wrong weight in test_export.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.trainers.pytorch.compression.conftest import MODEL, TRAINED, Chain, Start, context, run
from tests.trainers.pytorch.compression.data import digits
from trainwright.api.steps import Factory
from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import ParityError, compare, compare_exactly, compare_quantized
from trainwright_trainers.evaluation.onnx import open_onnx
from trainwright_trainers.evaluation.tflite import dequantized, open_tflite, quantized, tflite_signatures
from trainwright_trainers.pytorch import export
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.export.onnx import convert_to_onnx
from trainwright_trainers.pytorch.export.tflite import export_tflite
from trainwright_trainers.pytorch.programs import open_module
from trainwright_trainers.runtime.artifacts import ArtifactError, read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

VALIDATION = digits().validation
SAMPLE = np.zeros((1, 1, 8, 8), np.float32)


def trained_model(root: Path) -> torch.nn.Module:
    """The trained model."""
    return load_model(read_artifact(root / TRAINED), Factory.model_validate(MODEL))


def specialised(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """A converter whose model takes the batch size of its example only, and says that it takes any."""
    converted = convert_to_onnx(source, directory, dynamic_batch)
    model = onnx.load(directory / "model.onnx")
    shape = np.array([2, -1], np.int64)
    name, result = model.graph.output[0].name, model.graph.node[-1]
    result.output[0] = f"{name}_any"
    model.graph.initializer.append(onnx.numpy_helper.from_array(shape, "two"))
    model.graph.node.append(onnx.helper.make_node("Reshape", [f"{name}_any", "two"], [name]))
    onnx.save(model, directory / "model.onnx")
    return converted


def not_finite(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """A converter whose model gives NaN."""
    converted = convert_to_onnx(source, directory, dynamic_batch)
    model = onnx.load(directory / "model.onnx")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.weight")
    weight = onnx.numpy_helper.to_array(tensor) * np.float32("nan")
    tensor.CopyFrom(onnx.numpy_helper.from_array(weight, tensor.name))
    onnx.save(model, directory / "model.onnx")
    return converted


@pytest.mark.parametrize(
    ("converter", "says"),
    [(specialised, "fails on a batch of 1|for a batch of 1 the converted model gives"), (not_finite, "not finite")],
)
def test_converter_that_lies_is_caught(
    start: Start, monkeypatch: pytest.MonkeyPatch, converter: Callable[..., Converted], says: str
) -> None:
    monkeypatch.setitem(export.FORMATS, "onnx", converter)
    step = start({"name": "onnx", "export": {"format": "onnx"}})
    with pytest.raises(ParityError, match=says):
        run(step)
    assert not step.output.exists()


@pytest.mark.parametrize("kept", [True, False])
def test_model_saved_as_a_pickle_is_not_loaded(storage: Path, tmp_path: Path, kept: bool) -> None:
    directory = storage / TRAINED
    torch.save(trained_model(storage), directory / "model.pt")  # as torch.save(model) does it
    if not kept:
        (directory / "model.safetensors").unlink()
        text = (directory / "artifact.json").read_text().replace("model.safetensors", "model.pt")
        (directory / "artifact.json").write_text(text)
        with pytest.raises(ArtifactError, match=r"model\.pt"):
            run(context(storage, {"name": "onnx", "export": {"format": "onnx"}}))
        return
    assert run(context(storage, {"name": "half", "prune": {"method": "l1-structured", "amount": 0.5}})).artifact
    assert sorted(path.suffix for path in (storage / "steps/half/artifact").iterdir()) == [".json", ".safetensors"]


@pytest.mark.slow
def test_integers_of_a_tflite_model_are_scaled_and_a_cast_alone_is_caught(trained: Path, tmp_path: Path) -> None:
    from ai_edge_quantizer import quantizer, recipe

    model = trained_model(trained)
    export_tflite(model, SAMPLE, tmp_path / "float.tflite")
    quantizing = quantizer.Quantizer(str(tmp_path / "float.tflite"), recipe.static_wi8_ai8())
    feeds = [{"args_0": VALIDATION[index][0][None]} for index in range(50)]
    with quiet():
        calibration = quantizing.calibrate({"serving_default": feeds}, num_threads=1)
        quantizing.quantize(calibration).export_model(str(tmp_path / "int8.tflite"))
    ((source,), (result,)) = tflite_signatures(tmp_path / "int8.tflite")
    assert (source.dtype, result.dtype) == ("int8", "int8")
    assert source.quantization is not None and result.quantization is not None
    right = compare(open_module(model, 1), open_tflite(tmp_path / "int8.tflite", 1), VALIDATION)
    assert right.label_agreement > 0.95

    def cast(batch: Array) -> Array:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(tmp_path / "int8.tflite"))
        interpreter.allocate_tensors()
        outputs = []
        for sample in batch:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None].astype(np.int8))
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
        return np.concatenate(outputs)

    with pytest.raises(ParityError, match="outputs differ"):
        compare_exactly(open_module(model, 1), cast, VALIDATION)
    assert compare(open_module(model, 1), cast, VALIDATION).label_agreement < 0.9  # what `quantize` says in a note


def test_real_numbers_survive_a_tensor_of_integers() -> None:
    tensor = {"dtype": np.int8, "quantization": (0.1, -3)}
    numbers = np.array([-12.5, -0.04, 0.0, 0.06, 12.9, 1000.0], np.float32)
    integers = quantized(numbers, tensor)
    assert integers.tolist() == [-128, -3, -3, -2, 126, 127]
    np.testing.assert_allclose(dequantized(integers, tensor)[:5], numbers[:5], atol=0.051)


def test_quantized_model_that_its_converter_broke_is_caught(chain: Chain) -> None:
    """As AOTInductor does with frozen weights and any batch size: accuracy 0.09 in the place of 0.97, and no error."""
    right = open_onnx(chain.artifact("int8") / "model.onnx", 1)

    def broken(batch: Array) -> Array:
        return right(batch[::-1])

    assert compare_quantized(right, right, VALIDATION).label_agreement == 1
    with pytest.raises(ParityError, match="gives other outputs after its conversion"):
        compare_quantized(right, broken, VALIDATION)


def test_quantized_twice_is_refused_whatever_quantized_it_first(go_on: Start) -> None:
    step = go_on({"name": "again", "quantize": {"scheme": "int8-weight-only"}}, after="int8")
    with pytest.raises(ConfigurationError, match="quantized already"):
        run(step)
