"""The `quantize` step of every framework; what it can do is a table of schemes."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.calibration import Calibration, choose_calibration
from trainwright_trainers.chain.int8 import quantize_dynamic, quantize_static
from trainwright_trainers.chain.manifest import write_manifest
from trainwright_trainers.chain.publishing import publish
from trainwright_trainers.chain.scheme import Scheme, Task
from trainwright_trainers.chain.source import Converter, SubjectOf, choose, field_of, read_source
from trainwright_trainers.chain.weight_only import quantize_weights
from trainwright_trainers.evaluation import Parity, compare
from trainwright_trainers.runtime.artifacts import drafted, write_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError

ONNXRUNTIME: dict[str, Scheme] = {
    "int8-static": quantize_static,
    "int8-dynamic": quantize_dynamic,
    "int8-weight-only": quantize_weights,
}
"""By `quantize.scheme`: what the backend `onnxruntime` does with any framework's model that becomes ONNX."""

DEFAULT_BACKEND = "onnxruntime"
EXPECTED_AGREEMENT = 0.9
"""Share of labels that a sound quantization leaves as they were; what has less deserves a word, gate or no gate."""


def quantize(
    context: StepContext,
    backends: Mapping[str, Mapping[str, Scheme]],
    convert_to_onnx: Converter,
    subject_of: SubjectOf,
) -> StepResult:
    """Quantize the accepted artifact.

    It is not expected to give the same outputs: what it costs is measured, and the gate decides.

    Args:
        context: the step.
        backends: the framework's schemes, by `quantize.backend` and `quantize.scheme`.
        convert_to_onnx: how the framework makes an ONNX model of an artifact.
        subject_of: loads an artifact of any format that the framework reads.

    Raises:
        ConfigurationError: the framework has no such scheme, or the artifact is quantized already.
    """
    configuration = context.configuration
    step, options = configuration.step, configuration.step.options
    backend = options.backend or DEFAULT_BACKEND
    schemes = choose(backends, backend, f"{field_of(context)}.backend")
    scheme = choose(schemes, options.scheme, f"{field_of(context)}.scheme")
    source = read_source(context)
    if "quantized" in source.artifact.description.recipe:
        raise ConfigurationError("quantize: the accepted artifact is quantized already; one such step is enough")
    calibration = Calibration(source.splits.train, [])
    recipe = {"scheme": options.scheme, "backend": backend}
    if options.scheme == "int8-static":
        calibration = choose_calibration(source.splits, options.calibration_samples, configuration.seed)
        recipe["calibrationSamples"] = len(calibration.dataset)
    with drafted(context.output) as draft, TemporaryDirectory() as scratch:
        task = Task(source, calibration.dataset, draft, Path(scratch), convert_to_onnx, subject_of)
        converted = scheme(task)
        write_manifest(draft, configuration.job, converted, source)
        made = write_artifact(draft, converted.describe(step.name, source, {"quantized": recipe}))
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
            notes=[*calibration.notes, *_warnings(parity)],
        )


def _warnings(parity: Parity) -> list[str]:
    if parity.label_agreement >= EXPECTED_AGREEMENT:
        return []
    return [
        f"quantization changed {1 - parity.label_agreement:.0%} of {parity.samples} labels: calibration samples that"
        " are not like the data, or a model that INT8 is too coarse for; a gate on accuracy can hold such a model back"
    ]
