"""From the user's configuration to what is trained, checked as far as one process alone can check it."""

from dataclasses import dataclass

from torch import nn

from trainwright.api.steps import Factory, Train
from trainwright_trainers.data import Splits, make_splits
from trainwright_trainers.data.order import Position, steps_left
from trainwright_trainers.pytorch import preflight, randomness
from trainwright_trainers.pytorch.checkpointing import TrainingState
from trainwright_trainers.pytorch.losses import Loss, make_loss
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.optimization import make_optimizer, make_schedule
from trainwright_trainers.pytorch.precision import make_scaler
from trainwright_trainers.pytorch.processes import Processes
from trainwright_trainers.runtime.artifacts import Artifact, read_artifact
from trainwright_trainers.runtime.batches import check_batch_size
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError


@dataclass(frozen=True)
class Prepared:
    """What the user's configuration became."""

    options: Train
    field: str
    factory: Factory
    source: Artifact | None
    """The artifact that the training goes on from."""
    splits: Splits
    loss: Loss
    state: TrainingState
    trial: preflight.Trial
    unused_parameters: bool
    """Whether some parameters take no part in the output."""


def prepare(step: StepContext, processes: Processes) -> Prepared:
    """Make everything that the configuration describes, and try it on a few samples.

    Raises:
        ConfigurationError: something of it can't be made, or doesn't fit together.
    """
    configuration = step.configuration
    options: Train = configuration.step.options
    field = f"spec.steps[{configuration.step.name}].{configuration.step.kind}"
    if configuration.model is None:
        raise ConfigurationError(f"spec.model is missing: step {configuration.step.name!r} needs a model factory")
    loss = make_loss(options.loss, f"{field}.loss")
    randomness.seed_all(configuration.seed, rank=0)  # the same initial weights everywhere
    source = read_artifact(step.input) if step.input is not None else None
    model = initial_model(configuration.model, source).to(processes.device)
    splits = make_splits(configuration)
    samples = len(splits.train)
    check_batch_size(options, samples, processes.size, field)
    optimizer = make_optimizer(options.optimizer, model.parameters(), f"{field}.optimizer")
    steps = steps_left(Position(), options.epochs, options.batch_size, samples)
    schedule = make_schedule(options.schedule, optimizer, steps, f"{field}.schedule") if options.schedule else None
    state = TrainingState(model, optimizer, schedule, make_scaler(options.precision, processes.device))
    smallest_part = (
        (samples % options.batch_size or options.batch_size) // processes.size // options.gradient_accumulation
    )
    trial = preflight.Trial(model, loss, splits, options.precision, processes.device, max(1, smallest_part), field)
    unused = preflight.check(trial)
    state.written()  # what can't be written without a pickle is refused now, not at the first checkpoint
    return Prepared(options, field, configuration.model, source, splits, loss, state, trial, unused)


def initial_model(factory: Factory, source: Artifact | None) -> nn.Module:
    """A new model, or that of the artifact."""
    if source is None:
        return make_model(factory)
    from trainwright_trainers.pytorch.artifacts import load_model  # not needed by most trainings, and slow to import

    return load_model(source, factory)
