"""The `export` step. A format is one file beside this one and one line in `FORMATS`."""

from collections.abc import Callable
from pathlib import Path

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.layouts import Layout, lay_out_plain, lay_out_triton
from trainwright_trainers.chain.publishing import publish
from trainwright_trainers.chain.source import Converted, Source, choose, field_of, read_source
from trainwright_trainers.evaluation import compare_exactly
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.export.onnx import convert_to_onnx
from trainwright_trainers.jax.export.stablehlo import convert_to_stablehlo
from trainwright_trainers.jax.predictors import subject_of
from trainwright_trainers.runtime.artifacts import drafted, write_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError

Converter = Callable[[Source, Path, bool], Converted]
"""(source, empty directory, whether any batch size must do) -> writes the converted model there."""

FORMATS: dict[str, Converter] = {"onnx": convert_to_onnx, "stablehlo": convert_to_stablehlo}
"""By `export.format`."""

LAYOUTS: dict[str, Layout] = {"plain": lay_out_plain, "triton": lay_out_triton}
"""By `export.layout`."""


def run(context: StepContext) -> StepResult:
    """Convert the accepted artifact, load what was written, and publish it if it gives the same outputs.

    Raises:
        ParityError: the converted model's outputs differ from the artifact's.
    """
    use_compilation_cache(context.root)
    step, options = context.configuration.step, context.configuration.step.options
    convert = choose(FORMATS, options.format, f"{field_of(context)}.format")
    lay_out = choose(LAYOUTS, options.layout, f"{field_of(context)}.layout")
    if options.layout == "triton" and options.format != "onnx":
        raise ConfigurationError(f"{field_of(context)}.layout: triton serves the format onnx, not {options.format}")
    source = read_source(context)
    with drafted(context.output) as draft:
        converted = convert(source, draft, options.dynamic_batch)
        lay_out(draft, context.configuration.job, converted)
        made = write_artifact(draft, converted.describe(step.name, source, recipe={}))
        before, after = (subject_of(artifact, source.factory).open(1) for artifact in (source.artifact, made))
        parity = compare_exactly(before, after, source.splits.validation)
        return publish(
            context, made, source.factory, source.splits.validation, parity, subject_of, parent=source.artifact
        )
