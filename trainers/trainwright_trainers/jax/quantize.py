"""The `quantize` step: a JAX model goes by ONNX, whose runtime quantizes it."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.quantizing import ONNXRUNTIME, quantize
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.export.onnx import convert_to_onnx
from trainwright_trainers.jax.predictors import subject_of
from trainwright_trainers.runtime.context import StepContext

BACKENDS = {"onnxruntime": ONNXRUNTIME}
"""By `quantize.backend` and `quantize.scheme`."""


def run(context: StepContext) -> StepResult:
    """Quantize the accepted artifact, a JAX or float ONNX model, to an ONNX model."""
    use_compilation_cache(context.root)
    return quantize(context, BACKENDS, convert_to_onnx, subject_of)
