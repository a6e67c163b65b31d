"""INT8 by ONNX Runtime: an ONNX model becomes another one.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from collections.abc import Iterator
from pathlib import Path

from trainwright_trainers.chain.float_weights import weights_by_operator
from trainwright_trainers.chain.onnx_files import FILE, describe_onnx
from trainwright_trainers.chain.scheme import Task
from trainwright_trainers.chain.source import Converted
from trainwright_trainers.data import Array, Dataset, batches
from trainwright_trainers.evaluation.onnx import read_onnx
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

BATCH_SIZE = 32
"""Samples a forward pass of the calibration."""
PRODUCTS = ("MatMul", "Gemm", "LSTM", "GRU", "RNN", "Attention")
"""The operators whose weights dynamic quantization makes small: its convolutions are slower than those in floats."""
DYNAMIC = ("MatMul", "LSTM", "Attention")
"""What ONNX Runtime quantizes of these; a Gemm becomes a MatMul first."""


def quantize_static(task: Task) -> Converted:
    """Weights and activations in INT8; each output channel has its own scale, each activation one.

    An activation's scale comes from the smallest and largest value that it has on the calibration samples. The model is
    in the QDQ form: pairs of QuantizeLinear and DequantizeLinear, which every ONNX runtime can run.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    float_model = task.float_onnx()
    prepared = prepare(task.scratch / float_model.file)
    name = read_onnx(prepared).graph.input[0].name
    with quiet():
        quantize_static(
            prepared,
            task.draft / FILE,
            CalibrationReader(name, task.calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,
        )
    return describe_onnx(task.draft / FILE, dynamic_batch=True, tools=float_model.tools)


def quantize_dynamic(task: Task) -> Converted:
    """Weights of matrix products in INT8, each column with its own scale; activations' scales are found at each run.

    Raises:
        ConfigurationError: most of the model's weights are in no matrix product.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    float_model = task.float_onnx()
    prepared = prepare(task.scratch / float_model.file)
    weights = weights_by_operator(read_onnx(prepared))
    share = sum(weights[kind] for kind in PRODUCTS) / max(1, sum(weights.values()))
    if share < 0.5:
        raise ConfigurationError(
            f"quantize.scheme int8-dynamic is for matrix products, as in transformers and recurrent networks; they have"
            f" {share:.0%} of this model's weights. int8-static quantizes convolutions as well"
        )
    with quiet():
        quantize_dynamic(
            prepared,
            task.draft / FILE,
            op_types_to_quantize=list(DYNAMIC),
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
    return describe_onnx(task.draft / FILE, dynamic_batch=True, tools=float_model.tools)


def prepare(float_model: Path) -> Path:
    """The model with its shapes inferred and its operators fused, in a file beside it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = float_model.with_name("prepared.onnx")
    with quiet():
        quant_pre_process(float_model, prepared)
    return prepared


class CalibrationReader:
    """Gives ONNX Runtime's calibrator one batch of inputs at a time, then None."""

    def __init__(self, name: str, dataset: Dataset) -> None:
        self._feeds: Iterator[dict[str, Array]] = (
            {name: model_input(inputs)} for inputs, _ in batches(dataset, BATCH_SIZE)
        )

    def get_next(self) -> dict[str, Array] | None:
        """The next batch, by the name of the model's input."""
        return next(self._feeds, None)
