"""From the user's configuration to what is trained, checked as far as one process alone can check it."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from trainwright.api.steps import Train
from trainwright_trainers.chain.training import Wanted
from trainwright_trainers.data import Splits, make_splits
from trainwright_trainers.data.order import Course
from trainwright_trainers.pytorch import preflight, randomness
from trainwright_trainers.pytorch.activations import recompute_blocks
from trainwright_trainers.pytorch.checkpointing import TrainingState
from trainwright_trainers.pytorch.losses import Loss, make_loss
from trainwright_trainers.pytorch.memory import Activations
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.optimization import make_optimizer, make_schedule
from trainwright_trainers.pytorch.precision import make_scaler
from trainwright_trainers.pytorch.processes import Processes
from trainwright_trainers.runtime.batches import check_batch_size
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.scaling import for_processes


@dataclass(frozen=True)
class Prepared:
    """What the user's configuration became."""

    wanted: Wanted
    options: Train
    """As they are for this number of processes."""
    splits: Splits
    loss: Loss
    state: TrainingState
    trial: preflight.Trial
    unused_parameters: bool
    """Whether some parameters take no part in the output; not known of a model that is to be sharded."""


def prepare(step: StepContext, processes: Processes, wanted: Wanted) -> Prepared:
    """Make everything that the configuration describes, and try it on a few samples.

    A model that is to be sharded may be too large for one process; it is tried when it is.

    Raises:
        ConfigurationError: something of it can't be made, or doesn't fit together.
    """
    options, field = for_processes(wanted.options, processes.size), wanted.field
    loss = make_loss(options.loss, f"{field}.loss")
    randomness.seed_all(step.configuration.seed, rank=0)  # the same initial weights everywhere
    model = initial_model(wanted)
    sharded = is_sharded(options, processes)
    if not sharded:
        model.to(processes.device)
    if options.activation_checkpointing:
        recompute_blocks(model, f"{field}.activationCheckpointing")
    splits = make_splits(step.configuration)
    samples = len(splits.train)
    check_batch_size(options, samples, processes.size, field)
    course = Course(options.epochs, options.batch_size, samples)
    optimizer, schedule = make_optimization(options, model, course, field)
    state = TrainingState(model, optimizer, schedule, make_scaler(options.precision, processes.device), course)
    smallest_part = (
        (samples % options.batch_size or options.batch_size) // processes.size // options.gradient_accumulation
    )
    trial = preflight.Trial(
        model=model,
        loss=loss,
        splits=splits,
        precision=options.precision,
        device=processes.device,
        smallest_part=max(1, smallest_part),
        field=field,
        model_field=wanted.model_field,
        activations=Activations(),
    )
    preflight.look(trial)
    unused = False if sharded else preflight.rehearse(trial, model, measure=True)
    state.written()  # what can't be written without a pickle is refused now, not at the first checkpoint
    return Prepared(wanted, options, splits, loss, state, trial, unused)


def is_sharded(options: Train, processes: Processes) -> bool:
    """Whether the model is to be spread over the processes."""
    return options.strategy == "fsdp2" and processes.size > 1


def make_optimization(
    options: Train, model: nn.Module, course: Course, field: str
) -> tuple[torch.optim.Optimizer, LRScheduler | None]:
    """The optimizer of the model's parameters as they are now, and its schedule."""
    optimizer = make_optimizer(options.optimizer, model.parameters(), f"{field}.optimizer")
    if options.schedule is None:
        return optimizer, None
    return optimizer, make_schedule(options.schedule, optimizer, course.steps, f"{field}.schedule")


def initial_model(wanted: Wanted) -> nn.Module:
    """A new model, or that of the artifact."""
    if wanted.source is None:
        return make_model(wanted.factory, wanted.model_field)
    from trainwright_trainers.pytorch.artifacts import load_model  # not needed by most trainings, and slow to import

    return load_model(wanted.source, wanted.factory)
