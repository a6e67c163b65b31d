"""The `quantize` step: a JAX model goes by ONNX, whose runtime quantizes it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.calibration import choose_calibration
from trainwright_trainers.chain.int8_static import quantize_int8_static
from trainwright_trainers.chain.onnx_files import FILE, describe_onnx
from trainwright_trainers.chain.publishing import publish
from trainwright_trainers.chain.source import Source, choose, field_of, read_source
from trainwright_trainers.evaluation import compare, compare_exactly
from trainwright_trainers.evaluation.onnx import open_onnx
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.export.onnx import TOOLS, convert_to_onnx
from trainwright_trainers.jax.predictors import subject_of
from trainwright_trainers.runtime.artifacts import drafted, write_artifact
from trainwright_trainers.runtime.context import StepContext

SCHEMES = {"int8-static": quantize_int8_static}
"""By `quantize.scheme`."""


def run(context: StepContext) -> StepResult:
    """Quantize the accepted artifact, a JAX or float ONNX model, to an ONNX model.

    It is not expected to give the same outputs: what it costs is measured, and the gate decides.
    """
    use_compilation_cache(context.root)
    step, options = context.configuration.step, context.configuration.step.options
    quantize = choose(SCHEMES, options.scheme, f"{field_of(context)}.scheme")
    source = read_source(context)
    calibration = choose_calibration(source.splits, options.calibration_samples, context.configuration.seed)
    with drafted(context.output) as draft, TemporaryDirectory() as scratch:
        quantize(float_model(source, Path(scratch)), draft / FILE, calibration.dataset)
        converted = describe_onnx(draft / FILE, dynamic_batch=True, tools=TOOLS)
        recipe = {"quantized": {"scheme": options.scheme, "calibrationSamples": len(calibration.dataset)}}
        made = write_artifact(draft, converted.describe(step.name, source, recipe))
        before, after = (subject_of(artifact, source.factory).open(1) for artifact in (source.artifact, made))
        parity = compare(before, after, source.splits.validation)
        return publish(
            context,
            made,
            source.factory,
            source.splits.validation,
            parity,
            subject_of,
            parent=source.artifact,
            notes=calibration.notes,
        )


def float_model(source: Source, directory: Path) -> Path:
    """The artifact as a float ONNX model in `directory`, which was found to give the same outputs."""
    convert_to_onnx(source, directory, dynamic_batch=True)
    before = subject_of(source.artifact, source.factory).open(1)
    compare_exactly(before, open_onnx(directory / FILE, 1), source.splits.validation)
    return directory / FILE
