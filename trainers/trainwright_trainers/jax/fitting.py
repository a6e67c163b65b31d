"""One training from its newest checkpoint to its end, on all processes."""

from dataclasses import dataclass

import jax

from trainwright.api.contract import StepResult
from trainwright_trainers.chain import training
from trainwright_trainers.chain.training import Wanted
from trainwright_trainers.jax.artifacts import Model
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.checkpointing import Checkpointing
from trainwright_trainers.jax.compilation import Compilation
from trainwright_trainers.jax.engine import JaxEngine
from trainwright_trainers.jax.feeding import Feeder
from trainwright_trainers.jax.partitioning import told
from trainwright_trainers.jax.preparation import Prepared
from trainwright_trainers.jax.processes import Processes, gpu_memory, local, meet
from trainwright_trainers.jax.scoring import Scorer
from trainwright_trainers.jax.stepping import make_step
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.gpu import watch_gpu
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.reporting import begin_reporting
from trainwright_trainers.runtime.training import Training

Trained = training.Trained[Model]
"""With arrays of this process only."""


@dataclass(frozen=True)
class Group:
    """What the trainings of one step share."""

    processes: Processes
    losses: Losses
    """Counts the time in which nothing is gained."""
    compilation: Compilation


def begin(step: StepContext, wanted: Wanted) -> Group:
    """Meet the other processes, and serve the step's figures; collective.

    Raises:
        ConfigurationError: the devices can't be divided into groups of `tensorParallel`.
    """
    use_compilation_cache(step.root)
    compilation = Compilation()
    losses = Losses(step.losses_file, step.progress)
    losses.begin()
    processes = meet()
    losses.lap("rendezvous")
    if processes.first:
        step.progress.serve_where_asked()
        watch_gpu(step.progress, gpu_memory)
    together = processes.together(wanted.options.tensor_parallel, f"{wanted.field}.tensorParallel")
    return Group(together, losses, compilation)


def concluded(result: StepResult, trained: Trained, group: Group) -> StepResult:
    """The result, with how far the training came, what time it lost, and what was compiled."""
    result = training.concluded(result, trained, group.losses)
    return result.model_copy(update={"details": result.details | group.compilation.details})


def fit(step: StepContext, group: Group, prepared: Prepared, *, counted: bool = True) -> Trained:
    """Train from the newest checkpoint on; collective.

    Args:
        step: the step; its history, progress and checkpoints are the training's.
        group: those that train.
        prepared: what is trained; its state is that of the end afterwards.
        counted: whether lost time is counted.
    """
    options, state, seed, processes = prepared.options, prepared.state, step.configuration.seed, group.processes
    checkpointing = Checkpointing(Checkpoints(step.checkpoints, options.checkpoint.keep), processes)
    resumed_from, notes = checkpointing.restore(state)
    losses = group.losses if counted else None
    if losses is not None:
        losses.lap("restore")
    resumed = resumed_from is not None
    reporter = begin_reporting(step, losses, state.step, resumed=resumed) if processes.first else None
    train_split = prepared.splits.train
    shardings = jax.tree.map(lambda array: array.sharding, state.learned)
    engine = JaxEngine(
        state,
        make_step(prepared.objective, prepared.optimization, processes, seed, shardings),
        Feeder(train_split, processes, seed=seed, batch_size=options.batch_size, parts=options.gradient_accumulation),
        Scorer(prepared.objective, prepared.splits.validation, options.batch_size, processes),
        checkpointing,
        processes,
        tell_norm=options.gradient_clipping is not None,
    )
    field, saver = prepared.wanted.field, checkpointing.saver
    stopped = Training(engine, options, field, len(train_split), saver, reporter, step.progress, step.stop).run()
    details = told(state.learned.variables.parameters) if processes.split else {}
    variables = local(processes.whole(state.learned.variables))
    model = Model(prepared.objective.network, variables, prepared.sample)
    return Trained(stopped, state.step, resumed_from, notes + saver.notes, model, details)
