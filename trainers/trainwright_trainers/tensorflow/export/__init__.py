"""The `export` step. A format is one file beside this one and one line in `FORMATS`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.exporting import export
from trainwright_trainers.chain.source import Converter
from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.export.onnx import convert_to_onnx
from trainwright_trainers.tensorflow.export.saved_model import convert_to_saved_model
from trainwright_trainers.tensorflow.export.tflite import convert_to_tflite
from trainwright_trainers.tensorflow.predictors import subject_of
from trainwright_trainers.tensorflow.processes import use_threads

FORMATS: dict[str, Converter] = {
    "saved-model": convert_to_saved_model,
    "tflite": convert_to_tflite,
    "onnx": convert_to_onnx,
}
"""By `export.format`."""


def run(context: StepContext) -> StepResult:
    """Convert the accepted artifact, load what was written, and publish it if it gives the same outputs."""
    use_threads(usable_threads())
    return export(context, FORMATS, subject_of)
