"""One training from its newest checkpoint to its end, on all processes."""

from dataclasses import dataclass

from trainwright.api.contract import StepResult
from trainwright.api.steps import Collectives
from trainwright_trainers.mxnet.checkpointing import Checkpointing
from trainwright_trainers.mxnet.engine import MxnetEngine
from trainwright_trainers.mxnet.feeding import Feeder
from trainwright_trainers.mxnet.preparation import Prepared
from trainwright_trainers.mxnet.processes import Processes, gpu_memory, meet
from trainwright_trainers.mxnet.scoring import Scorer
from trainwright_trainers.mxnet.stepping import Objective, Step
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.gpu import watch_gpu
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.reporting import begin_reporting
from trainwright_trainers.runtime.training import Training


@dataclass(frozen=True)
class Group:
    """What the trainings of one step share."""

    processes: Processes
    losses: Losses
    """Counts the time in which nothing is gained."""


@dataclass(frozen=True)
class Trained:
    """How a training ended."""

    stopped: bool
    step: int
    """Optimizer steps done."""
    resumed_from: int | None
    notes: list[str]


def begin(step: StepContext, collectives: Collectives) -> Group:
    """Meet the other processes, and serve the step's figures; collective."""
    losses = Losses(step.losses_file, step.progress)
    losses.begin()
    processes = meet(step, collectives)
    losses.lap("rendezvous")
    if processes.first:
        step.progress.serve_where_asked()
        watch_gpu(step.progress, lambda: gpu_memory(processes.device), processes.device.device_id)
    return Group(processes, losses)


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
    split, saver, objective = prepared.splits.train, checkpointing.saver, prepared.objective
    engine = MxnetEngine(
        state,
        Step(objective, state.optimization, processes, seed, options.gradient_clipping),
        Feeder(split, processes, seed=seed, batch_size=options.batch_size, parts=options.gradient_accumulation),
        Scorer(Objective(objective.model, objective.loss), prepared.splits.validation, options.batch_size, processes),
        checkpointing,
        processes,
        tell_norm=options.gradient_clipping is not None,
    )
    training = Training(engine, options, prepared.wanted.field, len(split), saver, reporter, step.progress, step.stop)
    return Trained(training.run(), state.step, resumed_from, notes + saver.notes)


def concluded(result: StepResult, trained: Trained, group: Group) -> StepResult:
    """The result, with how far the training came and what time it lost."""
    lost = group.losses.total.rounded()
    return result.model_copy(update={"training_step": trained.step, "resumed_from": trained.resumed_from, "lost": lost})
