"""The `export` step. A format is one file beside this one and one line in `FORMATS`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.exporting import export
from trainwright_trainers.chain.source import Converter
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.export.onnx import convert_to_onnx
from trainwright_trainers.jax.export.saved_model import convert_to_saved_model
from trainwright_trainers.jax.export.stablehlo import convert_to_stablehlo
from trainwright_trainers.jax.export.tflite import convert_to_tflite
from trainwright_trainers.jax.predictors import subject_of
from trainwright_trainers.runtime.context import StepContext

FORMATS: dict[str, Converter] = {
    "onnx": convert_to_onnx,
    "saved-model": convert_to_saved_model,
    "stablehlo": convert_to_stablehlo,
    "tflite": convert_to_tflite,
}
"""By `export.format`."""


def run(context: StepContext) -> StepResult:
    """Convert the accepted artifact, load what was written, and publish it if it gives the same outputs."""
    use_compilation_cache(context.root)
    return export(context, FORMATS, subject_of)
