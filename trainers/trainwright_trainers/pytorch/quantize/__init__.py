"""The `quantize` step. A scheme is a function of one file beside this one and one line in `BACKENDS`."""

from collections.abc import Mapping

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.quantizing import ONNXRUNTIME, quantize
from trainwright_trainers.chain.scheme import Scheme
from trainwright_trainers.pytorch.export.onnx import convert_to_onnx
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.quantize import litert, torchao
from trainwright_trainers.runtime.context import StepContext

BACKENDS: dict[str, Mapping[str, Scheme]] = {
    "onnxruntime": ONNXRUNTIME,
    "torchao": {"int8-static": torchao.quantize_pt2e},
    "litert": {
        "int8-static": litert.quantize_static,
        "int8-dynamic": litert.quantize_dynamic,
        "int8-weight-only": litert.quantize_weights,
    },
}
"""By `quantize.backend` and `quantize.scheme`."""


def run(context: StepContext) -> StepResult:
    """Quantize the accepted artifact, a PyTorch or float ONNX model."""
    return quantize(context, BACKENDS, convert_to_onnx, subject_of)
