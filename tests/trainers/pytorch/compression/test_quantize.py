"""INT8 models are smaller and as good, and calibration that would spoil or flatter them shows."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.trainers.optimized import operators_run
from tests.trainers.pytorch.compression.conftest import Chain, Start, run
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError

INT8 = {"name": "int8", "quantize": {"scheme": "int8-static", "calibrationSamples": 128}}


def test_int8_model_is_smaller_and_as_good(chain: Chain) -> None:
    result = chain.results["int8"]
    metrics, reference = result.metrics, result.reference
    assert metrics.accuracy is not None and reference.accuracy is not None
    assert metrics.accuracy >= reference.accuracy - 0.02
    assert metrics.size_bytes is not None and reference.size_bytes is not None
    assert metrics.size_bytes < 0.6 * reference.size_bytes
    assert metrics.latency_ms is not None and metrics.latency_ms > 0
    assert result.details["labelAgreement"] > 0.95
    assert 0 < result.details["relativeDifference"] < 0.3
    assert result.notes == []
    description = read_artifact(chain.artifact("int8")).description
    assert description.format == "onnx"
    assert description.inputs[0].shape == ["batch", 1, 8, 8]
    assert description.recipe["quantized"] == {
        "scheme": "int8-static",
        "backend": "onnxruntime",
        "calibrationSamples": 128,
    }


def test_weights_are_int8_with_a_scale_for_each_channel(chain: Chain) -> None:
    graph = onnx.load(chain.artifact("int8") / "model.onnx").graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    matrices = [tensor for tensor in constants.values() if len(tensor.dims) > 1]
    assert len(matrices) == 10
    assert {tensor.data_type for tensor in matrices} == {TensorProto.INT8}
    scales = [node.input[1] for node in graph.node if node.op_type == "DequantizeLinear"]
    assert Counter(len(constants[name].dims) for name in scales if "weight_scale" in name)[1] == 10


def test_every_convolution_and_product_computes_with_integers(chain: Chain, tmp_path: Path) -> None:
    operators = operators_run(chain.artifact("int8") / "model.onnx", tmp_path)
    assert operators["QLinearConv"] == 9
    assert operators["QGemm"] == 1
    assert not operators.keys() & {"Conv", "FusedConv", "Gemm", "MatMul", "Add"}
    assert operators["QuantizeLinear"] == operators["DequantizeLinear"] == 2  # at the ends, and around the mean


def test_no_sum_of_two_products_is_too_large_for_16_bits(chain: Chain) -> None:
    """CPUs without VNNI add them up in 16 bits, and cut off without a word what is more."""
    tensors = [numpy_helper.to_array(one) for one in onnx.load(chain.artifact("int8") / "model.onnx").graph.initializer]
    weights = [array.astype(np.int64) for array in tensors if array.dtype == np.int8 and array.ndim > 1]
    assert len(weights) == 10
    assert 2 * 255 * max(np.abs(weight).max() for weight in weights) <= np.iinfo(np.int16).max


def test_calibration_scaled_a_hundredfold_is_refused(start: Start) -> None:
    step = start(INT8, data="digits_calibrated_on_dim_images")
    with pytest.raises(ConfigurationError, match=r"calibration split's numbers are of the size 0\.00\d+, the training"):
        run(step)
    assert not step.output.exists()


def test_calibration_scaled_a_little_shows_in_the_accuracy_and_is_said(start: Start) -> None:
    result = run(start(INT8, data="digits_calibrated_on_dusky_images"))
    metrics, reference = result.metrics, result.reference
    assert metrics.accuracy is not None and reference.accuracy is not None
    assert metrics.accuracy < reference.accuracy - 0.1
    (note,) = result.notes
    assert "quantization changed" in note


def test_calibration_on_validation_samples_is_refused(start: Start) -> None:
    step = start(INT8, data="digits_calibrated_on_validation")
    with pytest.raises(ConfigurationError, match="100 of 100 calibration samples are also in the validation split"):
        run(step)
    assert not step.output.exists()


def test_quantized_model_is_not_quantized_again(go_on: Start) -> None:
    again = go_on({"name": "again", "quantize": {"scheme": "int8-static"}}, after="int8")
    with pytest.raises(ConfigurationError, match="quantized already"):
        run(again)


def test_float_onnx_model_is_quantized_as_well(chain: Chain, go_on: Start) -> None:
    result = run(go_on(INT8, after="onnx"))
    assert result.metrics == chain.results["int8"].metrics.model_copy(update={"latency_ms": result.metrics.latency_ms})


def test_scheme_that_the_backend_lacks_is_refused(start: Start) -> None:
    step = start({"name": "int8", "quantize": {"scheme": "int8-dynamic", "backend": "torchao"}})
    with pytest.raises(ConfigurationError, match=r"spec\.steps\[int8\]\.quantize\.scheme.*no 'int8-dynamic'"):
        run(step)
