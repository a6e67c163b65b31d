"""One training from its newest checkpoint to its end, on all processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from trainwright.api.steps import Collectives
from trainwright_trainers.chain.training import Trained
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.gpu import watch_gpu
from trainwright_trainers.runtime.group import leave_bereft, leave_hung
from trainwright_trainers.runtime.links import linked
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.reporting import begin_reporting
from trainwright_trainers.runtime.training import Training
from trainwright_trainers.runtime.watch import Hang
from trainwright_trainers.tensorflow.checkpointing import Checkpointing
from trainwright_trainers.tensorflow.cluster import cluster_of
from trainwright_trainers.tensorflow.engine import TensorFlowEngine
from trainwright_trainers.tensorflow.feeding import Feeder
from trainwright_trainers.tensorflow.preparation import Prepared
from trainwright_trainers.tensorflow.processes import Processes, gpu_memory, meet
from trainwright_trainers.tensorflow.scoring import Scorer
from trainwright_trainers.tensorflow.stepping import make_step

LATER_SECONDS = 5.0
"""How much longer than the first process the others wait before they say who hangs."""


@dataclass(frozen=True)
class Group:
    """What the trainings of one step share."""

    processes: Processes
    losses: Losses
    """Counts the time in which nothing is gained."""


def begin(step: StepContext, options: Collectives) -> Group:
    """Meet the other processes, and serve the step's figures; collective."""
    losses = Losses(step.losses_file, step.progress)
    losses.begin()
    processes = meet(options)
    losses.lap("rendezvous")
    if processes.first:
        step.progress.serve_where_asked()
        watch_gpu(step.progress, gpu_memory)
    return Group(processes, losses)


@contextmanager
def watched(step: StepContext, group: Group, options: Collectives) -> Iterator[None]:
    """End this process at once when another one is gone, and in time when the group hangs; collective.

    The first process sees the others' signs of life and names the one to blame. The others give it time to do so: if it
    doesn't, then it is itself to blame.
    """
    processes, host, seconds = group.processes, cluster_of(os.environ).first_host, options.timeout_seconds

    def end(hang: Hang) -> None:
        silent = Hang(0, f"rank 0 gave no sign of life while the others waited {seconds:g} s for it")
        leave_hung(hang if processes.first else silent, seconds, step)

    def bereft(lost: int) -> None:
        leave_bereft(lost, step)

    with linked(processes.rank, processes.size, host, processes.gather, bereft) as board:
        if processes.size > 1:
            patience = seconds if processes.first else seconds + LATER_SECONDS
            processes.watch.begin(board, processes.rank, patience, end)
        try:
            yield
        finally:
            processes.watch.end()


def fit(step: StepContext, group: Group, prepared: Prepared, *, counted: bool = True) -> Trained[Any]:
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
    stopped = training.run()
    return Trained(stopped, state.step, resumed_from, notes + prepared.notes + saver.notes, state.model)
