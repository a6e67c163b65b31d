"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from torch import nn

from trainwright.api.base import JsonObject
from trainwright.api.contract import Metrics, StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.data import Dataset, read_batch
from trainwright_trainers.evaluation import Measurement, Parity, compare_exactly, measure
from trainwright_trainers.pytorch.artifacts import write_model
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.programs import open_module
from trainwright_trainers.runtime.artifacts import Artifact, drafted, publish_artifact
from trainwright_trainers.runtime.context import StepContext


def publish_model(
    context: StepContext,
    model: nn.Module,
    factory: Factory,
    validation: Dataset,
    *,
    parent: Artifact | None = None,
    recipe: JsonObject | None = None,
    notes: list[str] | None = None,
    details: JsonObject | None = None,
    parent_factory: Factory | None = None,
) -> StepResult:
    """Publish a PyTorch model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, not wrapped for distributed training; it ends in evaluation mode on the CPU.
        factory: what made it.
        validation: the split that it is measured on.
        parent: the artifact that it was made from; none when it was trained from its initial weights.
        recipe: what changed the model's shape since its factory made it; as in the parent when None.
        notes: what the user should know.
        details: further numbers for the result.
        parent_factory: what made the parent's model; the same when None.

    Raises:
        ParityError: loaded again from its files, the model gives other outputs.
    """
    model.cpu().eval()
    if recipe is None:
        recipe = parent.description.recipe if parent else {}
    with drafted(context.output) as draft:
        sample, _ = read_batch(validation, [0])
        name = context.configuration.step.name
        lineage = parent.as_parent if parent else None
        made = write_model(draft, model, sample, name=name, factory=factory, recipe=recipe, parent=lineage)
        parity = compare_exactly(open_module(model, 1), subject_of(made, factory).open(1), validation)
        result = publish(
            context,
            made,
            factory,
            validation,
            parity,
            parent=parent,
            notes=notes,
            parent_factory=parent_factory,
        )
        return result.model_copy(update={"details": result.details | (details or {})})


def publish(
    context: StepContext,
    made: Artifact,
    factory: Factory,
    validation: Dataset,
    parity: Parity,
    *,
    parent: Artifact | None,
    notes: list[str] | None = None,
    parent_factory: Factory | None = None,
) -> StepResult:
    """Measure a draft beside the artifact that it was made from, and publish it as the step's artifact."""
    subjects = [subject_of(made, factory)]
    if parent is not None:
        subjects.append(subject_of(parent, parent_factory or factory))
    measurements = measure(subjects, validation)
    artifact = publish_artifact(made, context.output, context.configuration.output, measurements[0].metrics)
    return StepResult(
        outcome="Succeeded",
        metrics=artifact.metrics,
        reference=measurements[1].metrics if parent else Metrics(),
        artifact=artifact,
        notes=notes or [],
        details=timing_details(measurements[0]) | parity_details(parity),
    )


def timing_details(measurement: Measurement) -> JsonObject:
    """What of a measurement no gate asks for."""
    return {"latencyP95Ms": measurement.latency_p95_ms, "samplesPerSecond": measurement.samples_per_second}


def parity_details(parity: Parity) -> JsonObject:
    """How close the step's artifact is to what it was made from."""
    return {
        "largestDifference": parity.largest_difference,
        "relativeDifference": parity.relative_difference,
        "labelAgreement": parity.label_agreement,
        "comparedSamples": parity.samples,
    }
