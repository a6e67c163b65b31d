"""The `export` step. A format is one file beside this one and one line in `FORMATS`."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.exporting import export
from trainwright_trainers.chain.source import Converter
from trainwright_trainers.mxnet.export.onnx import convert_to_onnx
from trainwright_trainers.mxnet.export.symbol import convert_to_symbol
from trainwright_trainers.mxnet.predictors import subject_of
from trainwright_trainers.runtime.context import StepContext

FORMATS: dict[str, Converter] = {"onnx": convert_to_onnx, "mxnet-symbol": convert_to_symbol}
"""By `export.format`."""


def run(context: StepContext) -> StepResult:
    """Convert the accepted artifact, load what was written, and publish it if it gives the same outputs."""
    return export(context, FORMATS, subject_of)
