"""The `train` step: distributed training of the model from its initial weights, or on from the artifact before."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.training import wanted_model
from trainwright_trainers.pytorch.fitting import begin, concluded, fit
from trainwright_trainers.pytorch.preparation import prepare
from trainwright_trainers.pytorch.processes import joined, this_process
from trainwright_trainers.runtime.context import StepContext


def run(step: StepContext) -> StepResult:
    """Train on all processes; the first one measures the model and publishes it as the step's artifact."""
    processes = this_process()
    losses = begin(step, processes)
    wanted = wanted_model(step)
    prepared = prepare(step, processes, wanted)
    losses.lap("start")
    with joined(processes, wanted.options.collectives):
        trained = fit(step, processes, prepared, losses=losses)
    result = StepResult(outcome="Stopped" if trained.stopped else "Succeeded", notes=trained.notes)
    if trained.model is not None and not trained.stopped:
        from trainwright_trainers.pytorch.publishing import publish_model  # not needed before, and slow to import

        result = publish_model(
            step,
            trained.model,
            wanted.factory,
            prepared.splits.validation,
            parent=wanted.source,
            notes=trained.notes,
            details={"memory": trained.memory},
        )
    return concluded(result, prepared, trained, losses)
