"""How a step ends: what it made is measured beside what it was made from, and published."""

from trainwright.api.base import JsonObject
from trainwright.api.contract import Metrics, StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.source import SubjectOf
from trainwright_trainers.data import Dataset
from trainwright_trainers.evaluation import Measurement, Parity, measure
from trainwright_trainers.runtime.artifacts import Artifact, publish_artifact
from trainwright_trainers.runtime.context import StepContext


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
