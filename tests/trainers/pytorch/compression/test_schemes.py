"""Every way to quantize gives a smaller model that answers as well, read by its own runtime without trainwright."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from tests.trainers.fresh import fresh_outputs
from tests.trainers.optimized import operators_run
from tests.trainers.pytorch.compression.conftest import Chain, Start, context, fit, run
from tests.trainers.pytorch.compression.data import digits
from tests.trainers.pytorch.compression.test_formats import samples
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import onnx_weights
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.publishing import publish_model
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError

pytestmark = pytest.mark.slow

TRANSFORMER = {"factory": "trainwright_trainers.pytorch.models:vit", "args": {"width": 32, "depth": 2}}
SCHEMES = {
    "ort-static": ("onnxruntime", "int8-static", 0.7),
    "ort-weights": ("onnxruntime", "int8-weight-only", 0.4),
    "pt2e": ("torchao", "int8-static", 0.7),
    "litert-static": ("litert", "int8-static", 0.7),
    "litert-dynamic": ("litert", "int8-dynamic", 0.7),
    "litert-weights": ("litert", "int8-weight-only", 0.7),
}
"""By step: backend, scheme, and the largest share of the trained model's size."""


def quantize(name: str, backend: str, scheme: str) -> dict[str, Any]:
    """A step that quantizes."""
    return {"name": name, "quantize": {"scheme": scheme, "backend": backend, "calibrationSamples": 128}}


@pytest.fixture(scope="module")
def quantized(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The trained model, quantized in every way."""
    root = tmp_path_factory.mktemp("quantized")
    shutil.copytree(trained, root, dirs_exist_ok=True)
    steps = {name: quantize(name, backend, scheme) for name, (backend, scheme, _) in SCHEMES.items()}
    return Chain(root, {name: run(context(root, step)) for name, step in steps.items()})


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job's storage after it trained a transformer."""
    root = tmp_path_factory.mktemp("transformer")
    torch.manual_seed(0)
    splits, factory = digits(), Factory.model_validate(TRANSFORMER)
    model = make_model(factory)
    fit(model, splits, epochs=8)
    start = context(root, {"name": "train", "train": {}}, start=None, model=TRANSFORMER)
    publish_model(start, model, factory, splits.validation)
    return root


def model_file(chain: Chain, name: str) -> Path:
    """The file of a quantized model."""
    return next(path for path in chain.artifact(name).iterdir() if path.stem == "model")


@pytest.fixture(scope="module")
def reread(quantized: Chain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    """By step and batch size, the outputs in a process that imports nothing of ours."""
    files = {name: model_file(quantized, name) for name in SCHEMES}
    return fresh_outputs(files, samples(), tmp_path_factory.mktemp("reread"))


def labels() -> Array:
    """Of the samples."""
    validation = digits().validation
    return np.array([validation[index][1] for index in range(len(samples()))])


@pytest.mark.parametrize("name", SCHEMES)
def test_quantized_model_is_smaller_and_answers_as_well(quantized: Chain, reread: dict[str, Array], name: str) -> None:
    backend, scheme, share = SCHEMES[name]
    result = quantized.results[name]
    assert result.metrics.accuracy is not None and result.reference.accuracy is not None
    assert result.metrics.accuracy >= result.reference.accuracy - 0.02
    assert result.notes == []
    file = model_file(quantized, name)
    assert result.reference.size_bytes is not None
    assert file.stat().st_size < share * result.reference.size_bytes
    assert result.metrics.parameters is not None and result.reference.parameters is not None
    assert result.metrics.parameters == pytest.approx(result.reference.parameters, rel=0.06)
    description = read_artifact(quantized.artifact(name)).description
    assert description.recipe["quantized"] == {"scheme": scheme, "backend": backend} | (
        {"calibrationSamples": 128} if scheme == "int8-static" else {}
    )
    assert (reread[f"{name}-64"].argmax(axis=1) == labels()).mean() > 0.9
    for size in (1, 7):
        np.testing.assert_allclose(reread[f"{name}-{size}"], reread[f"{name}-64"][:size], rtol=1e-3, atol=1e-3)


def test_weights_alone_are_int8_and_activations_are_floats(quantized: Chain) -> None:
    model = onnx.load(model_file(quantized, "ort-weights"))
    kinds = {tensor.data_type for tensor in model.graph.initializer if tensor.name.endswith("_int8")}
    assert kinds == {TensorProto.INT8}
    assert not {node.op_type for node in model.graph.node} & {"QuantizeLinear", "DequantizeLinear"}
    assert sum(array.size for array in onnx_weights(model) if array.dtype == np.int8) > 19000


def test_torchao_quantizes_every_convolution(quantized: Chain) -> None:
    graph = onnx.load(model_file(quantized, "pt2e")).graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    products = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert len(products) == 10
    assert {makers.get(node.input[0]) for node in products} == {"DequantizeLinear"}


def test_torchao_model_computes_with_integers_throughout(quantized: Chain, tmp_path: Path) -> None:
    operators = operators_run(model_file(quantized, "pt2e"), tmp_path)
    assert operators["QLinearConv"] == 9
    assert operators["QLinearAdd"] == 3
    assert operators["QGemm"] == 1
    assert operators["QuantizeLinear"] == 2
    assert operators["DequantizeLinear"] == 1  # before the mean; the outputs are floats
    assert not operators.keys() & {"Conv", "FusedConv", "Gemm", "MatMul", "Add"}


def test_torchao_weights_have_seven_bits_as_sums_of_two_products_must_fit_into_16(quantized: Chain) -> None:
    weights = [array for array in onnx_weights(onnx.load(model_file(quantized, "pt2e"))) if array.ndim > 1]
    assert len(weights) == 10
    assert {array.dtype for array in weights} == {np.dtype(np.int8)}
    assert 2 * 255 * max(np.abs(array.astype(np.int64)).max() for array in weights) <= np.iinfo(np.int16).max


def test_tflite_model_takes_and_gives_floats(quantized: Chain) -> None:
    manifest = json.loads((quantized.artifact("litert-static") / "manifest.json").read_text())
    assert [tensor["dtype"] for tensor in (*manifest["inputs"], *manifest["outputs"])] == ["float32", "float32"]
    exported = run(
        context(
            quantized.root,
            {"name": "tflite", "export": {"format": "tflite", "dynamicBatch": False}},
            start="steps/litert-static/artifact",
        )
    )
    assert exported.details["largestDifference"] == 0


def test_dynamic_int8_of_a_transformer(transformer: Path, tmp_path: Path) -> None:
    step = context(transformer, quantize("dynamic", "onnxruntime", "int8-dynamic"), model=TRANSFORMER)
    result = run(step)
    assert result.metrics.accuracy is not None and result.reference.accuracy is not None
    assert result.reference.accuracy > 0.85
    assert result.metrics.accuracy >= result.reference.accuracy - 0.02
    graph = onnx.load(step.output / "model.onnx").graph
    assert sum(node.op_type == "MatMulInteger" for node in graph.node) == 9
    for found in fresh_outputs({"dynamic": step.output / "model.onnx"}, samples(), tmp_path).values():
        # Scales are those of a batch, so that a sample's outputs depend a little on the others.
        assert (found.argmax(axis=1) == labels()[: len(found)]).mean() > 0.85
    assert result.metrics.parameters == pytest.approx(result.reference.parameters, rel=0.05)


def test_torchao_leaves_a_transformers_biases_to_what_follows(transformer: Path, tmp_path: Path) -> None:
    """ONNX Runtime adds them along with the activation or the shortcut; quantized, they would be operators more."""
    step = context(transformer, quantize("pt2e", "torchao", "int8-static"), model=TRANSFORMER)
    result = run(step)
    assert result.metrics.accuracy is not None and result.reference.accuracy is not None
    assert result.metrics.accuracy >= result.reference.accuracy - 0.02
    operators = operators_run(step.output / "model.onnx", tmp_path)
    assert operators["MatMulIntegerToFloat"] == 8
    assert operators["BiasGelu"] == 2
    assert operators["QGemm"] == 1


def test_dynamic_int8_of_a_convolutional_network_is_refused(start: Start) -> None:
    with pytest.raises(ConfigurationError, match=r"int8-dynamic is for matrix products.*they have \d% of this model"):
        run(start(quantize("dynamic", "onnxruntime", "int8-dynamic")))


def test_transformer_goes_into_every_format(transformer: Path) -> None:
    for format in ("onnx", "pt2", "torchscript-trace"):
        result = run(context(transformer, {"name": "out", "export": {"format": format}}, model=TRANSFORMER))
        assert result.details["labelAgreement"] == 1
