"""The `quantize` step. A scheme is a function of one file beside this one and one line in `BACKENDS`."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from trainwright.api.contract import StepResult
from trainwright_trainers.evaluation import Parity, compare
from trainwright_trainers.pytorch.chain import choose, field_of, read_source
from trainwright_trainers.pytorch.export.manifest import write_manifest
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.publishing import publish
from trainwright_trainers.pytorch.quantize import litert, onnxruntime, torchao
from trainwright_trainers.pytorch.quantize.calibration import Calibration, choose_calibration
from trainwright_trainers.pytorch.quantize.scheme import Scheme, Task
from trainwright_trainers.pytorch.quantize.weight_only import quantize_weights
from trainwright_trainers.runtime.artifacts import drafted, write_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError

BACKENDS: dict[str, Mapping[str, Scheme]] = {
    "onnxruntime": {
        "int8-static": onnxruntime.quantize_static,
        "int8-dynamic": onnxruntime.quantize_dynamic,
        "int8-weight-only": quantize_weights,
    },
    "torchao": {"int8-static": torchao.quantize_pt2e},
    "litert": {
        "int8-static": litert.quantize_static,
        "int8-dynamic": litert.quantize_dynamic,
        "int8-weight-only": litert.quantize_weights,
    },
}
"""By `quantize.backend` and `quantize.scheme`."""

DEFAULT_BACKEND = "onnxruntime"
EXPECTED_AGREEMENT = 0.9
"""Share of labels that a sound quantization leaves as they were; what has less deserves a word, gate or no gate."""


def run(context: StepContext) -> StepResult:
    """Quantize the accepted artifact.

    It is not expected to give the same outputs: what it costs is measured, and the gate decides.
    """
    configuration = context.configuration
    step, options = configuration.step, configuration.step.options
    backend = options.backend or DEFAULT_BACKEND
    schemes = choose(BACKENDS, backend, f"{field_of(context)}.backend")
    quantize = choose(schemes, options.scheme, f"{field_of(context)}.scheme")
    source = read_source(context)
    if "quantized" in source.artifact.description.recipe:
        raise ConfigurationError("quantize: the accepted artifact is quantized already; one such step is enough")
    calibration = Calibration(source.splits.train, [])
    recipe = {"scheme": options.scheme, "backend": backend}
    if options.scheme == "int8-static":
        calibration = choose_calibration(source.splits, options.calibration_samples, configuration.seed)
        recipe["calibrationSamples"] = len(calibration.dataset)
    with drafted(context.output) as draft, TemporaryDirectory() as scratch:
        converted = quantize(Task(source, calibration.dataset, draft, Path(scratch)))
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
