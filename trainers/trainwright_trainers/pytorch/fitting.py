"""One training from its newest checkpoint to its end, on all processes."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright_trainers.pytorch import preflight, randomness
from trainwright_trainers.pytorch.blocks import found_blocks
from trainwright_trainers.pytorch.checkpointing import Checkpointing, Saves
from trainwright_trainers.pytorch.feeding import Feeder, Reader
from trainwright_trainers.pytorch.loop import Task, Training
from trainwright_trainers.pytorch.losses import Objective, plain
from trainwright_trainers.pytorch.memory import memory_report
from trainwright_trainers.pytorch.preparation import Prepared, initial_model, is_sharded, make_optimization
from trainwright_trainers.pytorch.processes import Processes, gpu_memory, watched
from trainwright_trainers.pytorch.sharding import shard, whole_state
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.gpu import watch_gpu
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.reporting import begin_reporting


@dataclass(frozen=True)
class Trained:
    """How a training ended."""

    stopped: bool
    resumed_from: int | None
    notes: list[str]
    model: nn.Module | None
    """The trained model, as its factory makes it; in the first process only."""
    memory: JsonObject
    """What the memory was used for."""


def begin(step: StepContext, processes: Processes) -> Losses:
    """Serve the step's figures, and begin to count the time in which nothing is gained."""
    if processes.first:
        step.progress.serve_where_asked()
        watch_gpu(step.progress, lambda: gpu_memory(processes.device), processes.device.index or 0)
    losses = Losses(step.losses_file, step.progress)
    losses.begin()
    return losses


def concluded(result: StepResult, prepared: Prepared, trained: Trained, losses: Losses) -> StepResult:
    """The result, with how far the training came and what time it lost."""
    return result.model_copy(
        update={
            "training_step": prepared.state.step,
            "resumed_from": trained.resumed_from,
            "lost": losses.total.rounded(),
        }
    )


def fit(
    step: StepContext,
    processes: Processes,
    prepared: Prepared,
    objective: Objective | None = None,
    losses: Losses | None = None,
) -> Trained:
    """Train from the newest checkpoint on; collective.

    Args:
        step: the step; its history, progress and checkpoints are the training's.
        processes: those that train.
        prepared: what is trained; its state is that of the end afterwards.
        objective: what is minimized; the loss when None.
        losses: where lost time is counted; nowhere when None.
    """
    options, state = prepared.options, prepared.state
    network = distributed(prepared, processes)
    if losses is not None:
        losses.lap("rendezvous")
    randomness.seed_all(step.configuration.seed, processes.rank)
    checkpointing = make_checkpointing(step, processes, prepared)
    resumed_from, notes = checkpointing.restore(state)
    if losses is not None:
        losses.lap("restore")
    feeder = Feeder(
        prepared.splits.train,
        processes,
        seed=step.configuration.seed,
        batch_size=options.batch_size,
        parts=options.gradient_accumulation,
    )
    task = Task(
        options=options,
        field=prepared.wanted.field,
        network=network,
        loss=prepared.loss,
        objective=objective or plain(prepared.loss),
        feeder=feeder,
        validation=Reader(prepared.splits.validation, processes.device),
        processes=processes,
    )
    reporter = None
    if processes.first:
        reporter = begin_reporting(step, losses, state.step, resumed=resumed_from is not None)
    training = Training(task, state, checkpointing, reporter, step.progress, step.stop)
    with watched(processes, options.collectives, step):
        stopped = training.run()
    return Trained(
        stopped,
        resumed_from,
        notes + checkpointing.saver.notes,
        None if stopped else trained_model(prepared, processes),
        memory_report(state.model, state.optimizer, prepared.trial.activations, processes),
    )


def make_checkpointing(step: StepContext, processes: Processes, prepared: Prepared) -> Saves:
    """What saves and restores: the same for a strategy at any number of processes."""
    checkpoints = Checkpoints(step.checkpoints, prepared.options.checkpoint.keep)
    if prepared.options.strategy == "ddp":
        return Checkpointing(checkpoints, processes)
    from trainwright_trainers.pytorch.sharded_checkpointing import ShardedCheckpointing

    return ShardedCheckpointing(checkpoints, processes)


def distributed(prepared: Prepared, processes: Processes) -> nn.Module:
    """The model as it is trained: spread over the processes, compiled; collective.

    DistributedDataParallel lays out its buffers of gradients anew after the first pass, and the rounding of a sum
    depends on the layout. So the first pass is a rehearsal: from then on a resumed training adds up as an unbroken one.
    """
    model, options = prepared.state.model, prepared.options
    network = model
    if is_sharded(options, processes):
        shard(model, options.precision, processes)
        optimization = make_optimization(options, model, prepared.state.course, prepared.wanted.field)
        prepared.state.optimizer, prepared.state.schedule = optimization
        preflight.rehearse(prepared.trial, model, measure=True)
    if options.compile:
        compile_blocks(model, f"{prepared.wanted.field}.compile")
    if not is_sharded(options, processes) and processes.size > 1:
        network = DistributedDataParallel(
            model,
            device_ids=[processes.device] if processes.device.type == "cuda" else None,
            find_unused_parameters=prepared.unused_parameters,
            gradient_as_bucket_view=True,
        )
    if network is not model or options.compile:
        preflight.rehearse(prepared.trial, network)
    return network


def compile_blocks(model: nn.Module, field: str) -> None:
    """Have each of the model's blocks compiled at its first pass, once for all of the same kind.

    Raises:
        ConfigurationError: the model has no blocks.
    """
    # DistributedDataParallel's own way to split what is compiled is for models that are compiled whole.
    torch._dynamo.config.optimize_ddp = False
    for block in found_blocks(model, field, "compile"):
        block.compile()


def trained_model(prepared: Prepared, processes: Processes) -> nn.Module | None:
    """The model without what was done to it for training, in the first process; collective."""
    model, options = prepared.state.model, prepared.options
    if not is_sharded(options, processes) and not options.compile:
        return model if processes.first else None
    state = whole_state(model)
    if not processes.first:
        return None
    made = initial_model(prepared.wanted)
    made.load_state_dict(state)
    return made
