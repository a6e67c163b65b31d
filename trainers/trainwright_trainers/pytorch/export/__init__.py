"""The `export` step. A format is one file beside this one and one line in `FORMATS`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.exporting import export
from trainwright_trainers.chain.source import Converter
from trainwright_trainers.pytorch.export import torchscript
from trainwright_trainers.pytorch.export.onnx import convert_to_onnx
from trainwright_trainers.pytorch.export.pt2 import convert_to_pt2
from trainwright_trainers.pytorch.export.tflite import convert_to_tflite
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.runtime.context import StepContext

FORMATS: dict[str, Converter] = {
    "onnx": convert_to_onnx,
    "pt2": convert_to_pt2,
    "torchscript-trace": torchscript.trace,
    "torchscript-script": torchscript.script,
    "tflite": convert_to_tflite,
}
"""By `export.format`."""


def run(context: StepContext) -> StepResult:
    """Convert the accepted artifact, load what was written, and publish it if it gives the same outputs."""
    return export(context, FORMATS, subject_of)
