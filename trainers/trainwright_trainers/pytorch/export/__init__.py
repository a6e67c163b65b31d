"""The `export` step. A format is one file beside this one and one line in `FORMATS`."""

from collections.abc import Callable
from pathlib import Path

from trainwright.api.contract import StepResult
from trainwright_trainers.evaluation import compare_exactly
from trainwright_trainers.pytorch.chain import Converted, Source, choose, field_of, read_source
from trainwright_trainers.pytorch.export import torchscript
from trainwright_trainers.pytorch.export.layouts import LAYOUTS, Delivery
from trainwright_trainers.pytorch.export.manifest import write_manifest
from trainwright_trainers.pytorch.export.onnx import convert_to_onnx
from trainwright_trainers.pytorch.export.pt2 import convert_to_pt2
from trainwright_trainers.pytorch.export.tflite import convert_to_tflite
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.publishing import publish
from trainwright_trainers.runtime.artifacts import drafted, write_artifact
from trainwright_trainers.runtime.context import StepContext

Converter = Callable[[Source, Path, bool], Converted]
"""(source, empty directory, whether any batch size must do) -> writes the converted model there."""

FORMATS: dict[str, Converter] = {
    "onnx": convert_to_onnx,
    "pt2": convert_to_pt2,
    "torchscript-trace": torchscript.trace,
    "torchscript-script": torchscript.script,
    "tflite": convert_to_tflite,
}
"""By `export.format`."""


def run(context: StepContext) -> StepResult:
    """Convert the accepted artifact, load what was written, and publish it if it gives the same outputs.

    Raises:
        ParityError: the converted model's outputs differ from the artifact's.
    """
    configuration = context.configuration
    step, options = configuration.step, configuration.step.options
    convert = choose(FORMATS, options.format, f"{field_of(context)}.format")
    lay_out = choose(LAYOUTS, options.layout, f"{field_of(context)}.layout")
    source = read_source(context)
    with drafted(context.output) as draft:
        converted = convert(source, draft, options.dynamic_batch)
        uri = f"{configuration.storage}/{configuration.output}"
        lay_out(draft, Delivery(configuration.job, configuration.namespace, uri, converted))
        write_manifest(draft, configuration.job, converted, source)
        made = write_artifact(draft, converted.describe(step.name, source, recipe={}))
        before, after = (subject_of(artifact, source.factory).open(1) for artifact in (source.artifact, made))
        parity = compare_exactly(before, after, source.splits.validation)
        return publish(context, made, source.factory, source.splits.validation, parity, parent=source.artifact)
