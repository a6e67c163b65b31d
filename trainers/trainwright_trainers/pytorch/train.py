"""The `train` step: distributed training of the model from its initial weights, or on from the artifact before."""

from dataclasses import dataclass

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainwright.api.contract import StepResult
from trainwright_trainers.pytorch import preflight, randomness
from trainwright_trainers.pytorch.checkpointing import Checkpointing
from trainwright_trainers.pytorch.feeding import Feeder, Reader
from trainwright_trainers.pytorch.gpu import gpu_figures
from trainwright_trainers.pytorch.loop import Task, Training
from trainwright_trainers.pytorch.preparation import Prepared, prepare
from trainwright_trainers.pytorch.processes import Processes, joined, this_process
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.reporting import begin_reporting


@dataclass(frozen=True)
class Trained:
    """How a training ended."""

    stopped: bool
    resumed_from: int | None
    notes: list[str]


def run(step: StepContext) -> StepResult:
    """Train on all processes; the first one measures the model and publishes it as the step's artifact."""
    processes = this_process()
    if processes.first:
        step.progress.serve_where_asked()
        if processes.device.type == "cuda":
            step.progress.watch(lambda: gpu_figures(processes.device))
    losses = Losses(step.losses_file, step.progress)
    losses.begin()
    prepared = prepare(step, processes)
    losses.lap("start")
    with joined(processes):
        trained = train(step, processes, prepared, losses)
    result = StepResult(outcome="Stopped" if trained.stopped else "Succeeded", notes=trained.notes)
    model = prepared.state.model
    if processes.first and not trained.stopped:
        from trainwright_trainers.pytorch.publishing import publish_model  # not needed before, and slow to import

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
    options, state = prepared.options, prepared.state
    network = distributed(prepared, processes)
    losses.lap("rendezvous")
    randomness.seed_all(step.configuration.seed, processes.rank)
    checkpointing = Checkpointing(Checkpoints(step.checkpoints, options.checkpoint.keep), processes)
    resumed_from, notes = checkpointing.restore(state)
    losses.lap("restore")
    resumed = resumed_from is not None
    reporter = begin_reporting(step, losses, state.step, resumed=resumed) if processes.first else None
    feeder = Feeder(
        prepared.splits.train,
        processes,
        seed=step.configuration.seed,
        batch_size=options.batch_size,
        parts=options.gradient_accumulation,
    )
    task = Task(
        options=options,
        field=prepared.field,
        network=network,
        loss=prepared.loss,
        feeder=feeder,
        validation=Reader(prepared.splits.validation, processes.device),
        processes=processes,
    )
    stopped = Training(task, state, checkpointing, reporter, step.progress, step.stop).run()
    return Trained(stopped, resumed_from, notes + checkpointing.saver.notes)


def distributed(prepared: Prepared, processes: Processes) -> nn.Module:
    """The model with its gradients averaged over the processes; collective.

    The wrapper lays out its buffers of gradients anew after the first pass, and the rounding of a sum depends on the
    layout. So the first pass is a rehearsal: from then on a resumed training adds up as an unbroken one does.
    """
    if processes.size == 1:
        return prepared.state.model
    network = DistributedDataParallel(
        prepared.state.model,
        device_ids=[processes.device] if processes.device.type == "cuda" else None,
        find_unused_parameters=prepared.unused_parameters,
        gradient_as_bucket_view=True,
    )
    preflight.rehearse(prepared.trial, network)
    return network
