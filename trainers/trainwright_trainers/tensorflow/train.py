"""The `train` step: distributed training of the model from its initial weights, or on from the artifact before."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.training import concluded, wanted_model
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.fitting import begin, fit, watched
from trainwright_trainers.tensorflow.preparation import prepare
from trainwright_trainers.tensorflow.publishing import publish_model


def run(step: StepContext) -> StepResult:
    """Train on all processes; the first one measures the model and publishes it as the step's artifact."""
    wanted = wanted_model(step)
    group = begin(step, wanted.options.collectives)
    with watched(step, group, wanted.options.collectives):
        prepared = prepare(step, group.processes, wanted)
        group.losses.lap("start")
        trained = fit(step, group, prepared)
    result = StepResult(outcome="Stopped" if trained.stopped else "Succeeded", notes=trained.notes)
    if group.processes.first and not trained.stopped:
        validation = prepared.splits.validation
        result = publish_model(
            step, trained.model, prepared.sample, wanted.factory, validation, parent=wanted.source, notes=trained.notes
        )
    return concluded(result, trained, group.losses)
