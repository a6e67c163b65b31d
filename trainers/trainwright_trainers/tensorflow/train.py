"""The `train` step: distributed training of the model from its initial weights, or on from the artifact before."""

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.training import wanted_model
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.gpu import watch_gpu
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.reporting import begin_reporting
from trainwright_trainers.runtime.training import Training
from trainwright_trainers.tensorflow.checkpointing import Checkpointing
from trainwright_trainers.tensorflow.engine import TensorFlowEngine
from trainwright_trainers.tensorflow.feeding import Feeder
from trainwright_trainers.tensorflow.preparation import Prepared, prepare
from trainwright_trainers.tensorflow.processes import Processes, gpu_memory, meet
from trainwright_trainers.tensorflow.publishing import publish_model
from trainwright_trainers.tensorflow.scoring import Scorer
from trainwright_trainers.tensorflow.stepping import make_step


def run(step: StepContext) -> StepResult:
    """Train on all processes; the first one measures the model and publishes it as the step's artifact."""
    wanted = wanted_model(step)
    losses = Losses(step.losses_file, step.progress)
    losses.begin()
    processes = meet(wanted.options.collectives)
    losses.lap("rendezvous")
    if processes.first:
        step.progress.serve_where_asked()
        watch_gpu(step.progress, gpu_memory)
    prepared = prepare(step, processes, wanted)
    losses.lap("start")
    stopped, resumed_from, notes = fit(step, processes, prepared, losses)
    result = StepResult(outcome="Stopped" if stopped else "Succeeded", notes=notes)
    if processes.first and not stopped:
        model, validation = prepared.objective.model, prepared.splits.validation
        result = publish_model(
            step, model, prepared.sample, wanted.factory, validation, parent=wanted.source, notes=notes
        )
    lost = losses.total.rounded()
    return result.model_copy(update={"training_step": prepared.state.step, "resumed_from": resumed_from, "lost": lost})


def fit(
    step: StepContext, processes: Processes, prepared: Prepared, losses: Losses
) -> tuple[bool, int | None, list[str]]:
    """Train from the newest checkpoint on; collective.

    Returns:
        Whether it was stopped, the optimizer step that it went on from, and what the user should know.
    """
    options, state, seed = prepared.options, prepared.state, step.configuration.seed
    checkpointing = Checkpointing(Checkpoints(step.checkpoints, options.checkpoint.keep), processes)
    resumed_from, notes = checkpointing.restore(state)
    losses.lap("restore")
    resumed = resumed_from is not None
    reporter = begin_reporting(step, losses, state.step, resumed=resumed) if processes.first else None
    train_split, saver = prepared.splits.train, checkpointing.saver
    engine = TensorFlowEngine(
        state,
        make_step(prepared.objective, state.optimizer, processes, seed, options.gradient_clipping),
        Feeder(train_split, processes, seed=seed, batch_size=options.batch_size, parts=options.gradient_accumulation),
        Scorer(prepared.objective, prepared.splits.validation, options.batch_size, processes),
        checkpointing,
        processes,
        tell_norm=options.gradient_clipping is not None,
    )
    field = prepared.wanted.field
    training = Training(engine, options, field, len(train_split), saver, reporter, step.progress, step.stop)
    return training.run(), resumed_from, notes + saver.notes
