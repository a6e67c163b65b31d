"""The `train` step: distributed training of the model from its initial weights, or on from the artifact before."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.training import wanted_model
from trainwright_trainers.jax.fitting import begin, concluded, fit
from trainwright_trainers.jax.preparation import prepare
from trainwright_trainers.jax.processes import part
from trainwright_trainers.runtime.context import StepContext


def run(step: StepContext) -> StepResult:
    """Train on all processes; the first one measures the model and publishes it as the step's artifact."""
    wanted = wanted_model(step)
    group = begin(step, wanted)
    prepared = prepare(step, group.processes, wanted)
    group.losses.lap("start")
    trained = fit(step, group, prepared)
    part()
    result = StepResult(outcome="Stopped" if trained.stopped else "Succeeded", notes=trained.notes)
    if group.processes.first and not trained.stopped:
        from trainwright_trainers.jax.publishing import publish_model  # not needed before, and slow to import

        validation = prepared.splits.validation
        result = publish_model(
            step, trained.model, wanted.factory, validation, parent=wanted.source, notes=trained.notes
        )
    return concluded(result, trained, group)
