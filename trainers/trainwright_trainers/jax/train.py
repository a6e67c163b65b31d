"""The `train` step: distributed training of the model from its initial weights, or on from the artifact before."""

from dataclasses import dataclass

from trainwright.api.contract import StepResult
from trainwright_trainers.jax.artifacts import Model
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.checkpointing import Checkpointing
from trainwright_trainers.jax.engine import JaxEngine
from trainwright_trainers.jax.feeding import Feeder
from trainwright_trainers.jax.preparation import Prepared, prepare
from trainwright_trainers.jax.processes import Processes, local, meet, part
from trainwright_trainers.jax.scoring import Scorer
from trainwright_trainers.jax.stepping import make_step
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.reporting import begin_reporting
from trainwright_trainers.runtime.training import Training


@dataclass(frozen=True)
class Trained:
    """How a training ended."""

    stopped: bool
    resumed_from: int | None
    notes: list[str]


def run(step: StepContext) -> StepResult:
    """Train on all processes; the first one measures the model and publishes it as the step's artifact."""
    use_compilation_cache(step.root)
    losses = Losses(step.losses_file, step.progress)
    losses.begin()
    processes = meet()
    losses.lap("rendezvous")
    if processes.first:
        step.progress.serve_where_asked()
    prepared = prepare(step, processes)
    losses.lap("start")
    trained = train(step, processes, prepared, losses)
    model = Model(prepared.network, local(prepared.state.learned.variables), prepared.sample)
    part()
    result = StepResult(outcome="Stopped" if trained.stopped else "Succeeded", notes=trained.notes)
    if processes.first and not trained.stopped:
        from trainwright_trainers.jax.publishing import publish_model  # not needed before, and slow to import

        result = publish_model(
            step, model, prepared.factory, prepared.splits.validation, parent=prepared.source, notes=trained.notes
        )
    return result.model_copy(
        update={
            "training_step": prepared.state.step,
            "resumed_from": trained.resumed_from,
            "lost": losses.total.rounded(),
        }
    )


def train(step: StepContext, processes: Processes, prepared: Prepared, losses: Losses) -> Trained:
    """Train from the newest checkpoint on; collective."""
    options, state, seed = prepared.options, prepared.state, step.configuration.seed
    checkpointing = Checkpointing(Checkpoints(step.checkpoints, options.checkpoint.keep), processes)
    resumed_from, notes = checkpointing.restore(state)
    losses.lap("restore")
    resumed = resumed_from is not None
    reporter = begin_reporting(step, losses, state.step, resumed=resumed) if processes.first else None
    train_split = prepared.splits.train
    engine = JaxEngine(
        state,
        make_step(prepared.objective, prepared.optimization, processes.mesh, seed),
        Feeder(train_split, processes, seed=seed, batch_size=options.batch_size, parts=options.gradient_accumulation),
        Scorer(prepared.objective, prepared.splits.validation, options.batch_size, processes),
        checkpointing,
        processes,
        tell_norm=options.gradient_clipping is not None,
    )
    stopped = Training(
        engine, options, prepared.field, len(train_split), checkpointing.saver, reporter, step.progress, step.stop
    ).run()
    return Trained(stopped, resumed_from, notes + checkpointing.saver.notes)
