"""Which artifact a step starts from, and which one its gate compares with."""

from collections.abc import Sequence

from trainwright.api.contract import ArtifactReference
from trainwright.api.job import TrainingJobSpec
from trainwright.api.steps import Factory, Step

_CANNOT_START_FROM = {
    "train": {"quantize", "export"},
    "distill": {"quantize", "export"},
    "prune": {"quantize", "export"},
    "quantize": {"quantize", "export"},
    "export": {"export"},
    "profile": {"quantize", "export"},
}
"""A converted model can't be trained, pruned or quantized again, and an exported one is not exported again."""


def step_input(spec: TrainingJobSpec, step: Step, accepted: Sequence[ArtifactReference]) -> ArtifactReference | None:
    """The newest accepted artifact that a step of this kind can take; none where there is none yet."""
    kinds = {other.name: other.kind for other in spec.steps}
    usable = [artifact for artifact in accepted if _can_take(step, artifact, kinds.get(artifact.name))]
    return usable[-1] if usable else None


def passed_over(spec: TrainingJobSpec, step: Step, accepted: Sequence[ArtifactReference]) -> ArtifactReference | None:
    """The newest quantized artifact where an export starts from an older one, as it has another format."""
    if step.export is None:
        return None
    kinds = {other.name: other.kind for other in spec.steps}
    converted = [artifact for artifact in accepted if kinds.get(artifact.name) != "export"]
    newest = converted[-1] if converted else None
    return newest if newest != step_input(spec, step, accepted) else None


def _can_take(step: Step, artifact: ArtifactReference, made_by: str | None) -> bool:
    """Whether a step can start from an artifact that a step of the kind `made_by` made."""
    if step.export is not None and made_by == "quantize":
        return artifact.format == step.export.format  # a quantized model has no way into another format
    return made_by not in _CANNOT_START_FROM.get(step.kind, set())


def input_model(
    spec: TrainingJobSpec, source: ArtifactReference | None, accepted: Sequence[ArtifactReference]
) -> Factory | None:
    """What made an artifact's model: the student of the newest distillation that led to it, else spec.model."""
    if source is None:
        return spec.model
    maker = next(step for step in spec.steps if step.name == source.name)
    if maker.distill is not None:
        return maker.distill.student
    before = accepted[: accepted.index(source)]
    return input_model(spec, step_input(spec, maker, before), before)


def gate_reference(
    spec: TrainingJobSpec, step: Step, accepted: Sequence[ArtifactReference]
) -> ArtifactReference | None:
    """What the step's gate compares with: the step's own input, or the first artifact that was trained."""
    if step.gate is not None and step.gate.against == "baseline":
        kinds = {other.name: other.kind for other in spec.steps}
        trained = (artifact for artifact in accepted if kinds.get(artifact.name) in ("train", "distill"))
        return next(trained, accepted[0] if accepted else None)
    return step_input(spec, step, accepted)
