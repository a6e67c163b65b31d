"""The `train` step: distributed training of the model from its initial weights, or on from the artifact before."""

from trainwright.api.contract import StepResult
from trainwright_trainers.pytorch.fitting import begin, concluded, fit
from trainwright_trainers.pytorch.preparation import Wanted, model_of, prepare
from trainwright_trainers.pytorch.processes import joined, this_process
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.context import StepContext


def run(step: StepContext) -> StepResult:
    """Train on all processes; the first one measures the model and publishes it as the step's artifact."""
    processes = this_process()
    losses = begin(step, processes)
    name, options = step.configuration.step.name, step.configuration.step.options
    wanted = Wanted(
        options=options,
        field=f"spec.steps[{name}].train",
        factory=model_of(step),
        model_field="spec.model",
        source=read_artifact(step.input) if step.input is not None else None,
    )
    prepared = prepare(step, processes, wanted)
    losses.lap("start")
    with joined(processes, options.collectives):
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
