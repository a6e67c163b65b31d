"""INT8 weights and activations with fixed ranges, by ONNX Runtime.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from trainwright_trainers.data import Array, Dataset, batches
from trainwright_trainers.evaluation.onnx import QUANTIZERS, read_onnx
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

BATCH_SIZE = 32
"""Samples a forward pass of the calibration."""


def quantize_int8_static(source: Path, target: Path, calibration: Dataset) -> None:
    """Write the ONNX model `source` to `target` with weights in INT8, each output channel with its own scale.

    Activations get one scale each, from the smallest and largest value they have on the calibration samples. The
    model is in the QDQ form: pairs of QuantizeLinear and DequantizeLinear, which every ONNX runtime can run.

    Raises:
        ConfigurationError: the model is quantized already.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    graph = read_onnx(source).graph
    if any(node.op_type in QUANTIZERS for node in graph.node):
        raise ConfigurationError("quantize: the accepted artifact is quantized already; one such step is enough")
    with TemporaryDirectory() as scratch, quiet():
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(source, prepared)
        quantize_static(
            prepared,
            target,
            CalibrationReader(graph.input[0].name, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )


class CalibrationReader:
    """Gives ONNX Runtime's calibrator one batch of inputs at a time, then None."""

    def __init__(self, name: str, dataset: Dataset) -> None:
        self._feeds: Iterator[dict[str, Array]] = (
            {name: model_input(inputs)} for inputs, _ in batches(dataset, BATCH_SIZE)
        )

    def get_next(self) -> dict[str, Array] | None:
        """The next batch, by the name of the model's input."""
        return next(self._feeds, None)
