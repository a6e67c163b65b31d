"""How a step ends: what it made is measured beside what it was made from, and published."""

from pathlib import Path
from typing import Protocol, TypedDict, Unpack

from trainwright.api.base import JsonObject
from trainwright.api.contract import Metrics, StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.source import SubjectOf
from trainwright_trainers.chain.weights import WEIGHTS
from trainwright_trainers.data import Dataset
from trainwright_trainers.evaluation import Measurement, Parity, Predict, compare_exactly, measure
from trainwright_trainers.runtime.artifacts import Artifact, Parent, drafted, publish_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import NonFiniteWeightsError
from trainwright_trainers.runtime.tensors import find_nan


def publish(
    context: StepContext,
    made: Artifact,
    factory: Factory,
    validation: Dataset,
    parity: Parity,
    subject_of: SubjectOf,
    *,
    parent: Artifact | None,
    parent_factory: Factory | None = None,
    notes: list[str] | None = None,
    details: JsonObject | None = None,
) -> StepResult:
    """Measure a draft beside the artifact that it was made from, and publish it as the step's artifact.

    Args:
        context: the step.
        made: the draft.
        factory: what made the model.
        validation: the split that it is measured on.
        parity: how close it came to what it was made from.
        subject_of: loads an artifact of any format that the framework reads.
        parent: the artifact that it was made from; none when it was trained from its initial weights.
        parent_factory: what made the parent's model; the same when None.
        notes: what the user should know.
        details: further numbers for the result.
    """
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
        details=timing_details(measurements[0]) | parity_details(parity) | (details or {}),
    )


class Write(Protocol):
    """Makes an artifact of a model in an empty directory."""

    def __call__(
        self, draft: Path, /, *, name: str, factory: Factory, recipe: JsonObject, parent: Parent | None
    ) -> Artifact:
        """See the framework's `write_model`."""


class About(TypedDict, total=False):
    """What is known of a trained model besides what it is."""

    parent: Artifact | None
    """The artifact that it was made from; none when it was trained from its initial weights."""
    parent_factory: Factory | None
    """What made the parent's model; what made this one when None."""
    recipe: JsonObject | None
    """What was done to the model since its factory made it; as in the parent when None."""
    notes: list[str] | None
    """What the user should know."""
    details: JsonObject | None
    """Further numbers for the result."""


def publish_trained(
    context: StepContext,
    write: Write,
    model: Predict,
    factory: Factory,
    validation: Dataset,
    subject_of: SubjectOf,
    **about: Unpack[About],
) -> StepResult:
    """Publish a framework's own model as the step's artifact.

    Args:
        context: the step.
        write: writes the model.
        model: the model as it is, on one thread; what is loaded from its files must give the same outputs.
        factory: what made it.
        validation: the split that it is measured on.
        subject_of: loads an artifact of any format that the framework reads.
        about: see `About`.

    Raises:
        NonFiniteWeightsError: a weight is no number. The loss needn't show it: an activation may hide it.
        ParityError: loaded again from its files, the model gives other outputs.
    """
    name, parent = context.configuration.step.name, about.get("parent")
    recipe = recipe_after(parent, about.get("recipe"))
    with drafted(context.output) as draft:
        lineage = parent.as_parent if parent else None
        made = write(draft, name=name, factory=factory, recipe=recipe, parent=lineage)
        if (wrong := find_nan(draft / WEIGHTS)) is not None:
            raise NonFiniteWeightsError(
                f"spec.steps[{name}]: {wrong} of the trained model has values that are no numbers (NaN); a lower"
                " optimizer.learningRate, another optimizer or gradientClipping may help"
            )
        parity = compare_exactly(model, subject_of(made, factory).open(1), validation)
        return publish(
            context,
            made,
            factory,
            validation,
            parity,
            subject_of,
            parent=parent,
            parent_factory=about.get("parent_factory"),
            notes=about.get("notes"),
            details=about.get("details"),
        )


def recipe_after(parent: Artifact | None, recipe: JsonObject | None) -> JsonObject:
    """What was done to a model since its factory made it: `recipe`, or as in the parent when None."""
    if recipe is None:
        return parent.description.recipe if parent else {}
    return recipe


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
