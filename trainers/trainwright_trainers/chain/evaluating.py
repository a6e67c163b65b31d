"""The `evaluate` step of every framework."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.publishing import timing_details
from trainwright_trainers.chain.source import SubjectOf, lineage, read_source
from trainwright_trainers.evaluation import measure
from trainwright_trainers.evaluation.report import describe, describe_confusion, time_by_batch_size
from trainwright_trainers.runtime.context import StepContext


def evaluate(context: StepContext, subject_of: SubjectOf) -> StepResult:
    """Measure the artifact that the step starts from, and its ancestors in the same process; it makes none itself."""
    source = read_source(context)
    options = context.configuration.step.options
    artifacts = {artifact.description.name: artifact for artifact in lineage(context, source)}
    subjects = {name: subject_of(artifact, source.factory) for name, artifact in artifacts.items()}
    validation = source.splits.validation
    measured = dict(zip(subjects, measure(list(subjects.values()), validation, options.batch_size), strict=True))
    times = time_by_batch_size(subjects, validation, options.latency_batch_sizes, options.threads)
    own = next(iter(measured.values()))
    return StepResult(
        outcome="Succeeded",
        metrics=own.metrics,
        reference=own.metrics,
        details={
            **timing_details(own),
            "models": [
                {
                    "name": name,
                    "format": artifacts[name].description.format,
                    **describe(measured[name]),
                    "byBatchSize": times[name],
                }
                for name in subjects
            ],
            **describe_confusion(own.quality.confusion),
        },
    )
