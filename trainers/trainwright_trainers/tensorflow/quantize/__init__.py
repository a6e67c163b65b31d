"""The `quantize` step. A scheme is a function of one file beside this one and one line in `BACKENDS`."""

from collections.abc import Mapping

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.quantizing import ONNXRUNTIME, quantize
from trainwright_trainers.chain.scheme import Scheme
from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.export.onnx import convert_to_onnx
from trainwright_trainers.tensorflow.predictors import subject_of
from trainwright_trainers.tensorflow.processes import use_threads
from trainwright_trainers.tensorflow.quantize import litert

BACKENDS: dict[str, Mapping[str, Scheme]] = {
    "onnxruntime": ONNXRUNTIME,
    "litert": {
        "int8-static": litert.quantize_static,
        "int8-dynamic": litert.quantize_dynamic,
        "float16": litert.halve,
    },
}
"""By `quantize.backend` and `quantize.scheme`."""


def run(context: StepContext) -> StepResult:
    """Quantize the accepted artifact, a Keras or float ONNX model."""
    use_threads(usable_threads())
    return quantize(context, BACKENDS, convert_to_onnx, subject_of)
