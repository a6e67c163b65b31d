"""The `evaluate` step: measure the accepted artifact without changing it."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.publishing import timing_details
from trainwright_trainers.chain.source import read_source
from trainwright_trainers.evaluation import measure
from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.predictors import subject_of
from trainwright_trainers.tensorflow.processes import use_threads


def run(context: StepContext) -> StepResult:
    """Measure the artifact that the step starts from; it makes none of its own."""
    use_threads(usable_threads())
    source = read_source(context)
    batch_size = context.configuration.step.options.batch_size
    subject = subject_of(source.artifact, source.factory)
    (measurement,) = measure([subject], source.splits.validation, batch_size)
    return StepResult(
        outcome="Succeeded",
        metrics=measurement.metrics,
        reference=measurement.metrics,
        details=timing_details(measurement),
    )
