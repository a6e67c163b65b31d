"""From the user's configuration to what is trained, checked as far as that goes without computing."""

from dataclasses import dataclass

import jax

from trainwright.api.steps import Factory, Train
from trainwright_trainers.data import Splits, make_splits
from trainwright_trainers.data.order import Position, steps_left
from trainwright_trainers.jax import preflight
from trainwright_trainers.jax.checkpointing import Learned, TrainingState
from trainwright_trainers.jax.losses import make_loss
from trainwright_trainers.jax.networks import Network, make_network
from trainwright_trainers.jax.optimization import Optimization, make_optimization
from trainwright_trainers.jax.processes import Processes
from trainwright_trainers.jax.stepping import Objective
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
    network: Network
    objective: Objective
    optimization: Optimization
    state: TrainingState
    sample: jax.ShapeDtypeStruct
    """What a batch of one input is like, [1, ...]."""


def prepare(step: StepContext, processes: Processes) -> Prepared:
    """Make everything that the configuration describes.

    Raises:
        ConfigurationError: something of it can't be made, or doesn't fit together.
    """
    configuration = step.configuration
    options: Train = configuration.step.options
    field = f"spec.steps[{configuration.step.name}].{configuration.step.kind}"
    if configuration.model is None:
        raise ConfigurationError(f"spec.model is missing: step {configuration.step.name!r} needs a model factory")
    if options.precision == "fp16":
        raise ConfigurationError(f"{field}.precision: JAX trains in fp32 or bf16, not in fp16")
    loss = make_loss(options.loss, f"{field}.loss")
    source = read_artifact(step.input) if step.input is not None else None
    network = make_network(configuration.model)
    splits = make_splits(configuration)
    samples = len(splits.train)
    check_batch_size(options, samples, processes.devices, field)
    steps = steps_left(Position(), options.epochs, options.batch_size, samples)
    optimization = make_optimization(options, steps, field)
    inputs, _ = preflight.first_batch(splits)
    if source is None:
        variables = preflight.initialize(jax.jit(network.initialize), jax.random.key(configuration.seed), inputs)
    else:
        from trainwright_trainers.jax.artifacts import load_model  # not needed by most trainings

        variables = load_model(source, configuration.model).variables
    objective = Objective(network, loss, options.precision)
    preflight.check_parameters(variables)
    preflight.check(objective, variables, splits, field)
    learned = Learned(variables, optimization.transformation.init(variables.parameters))
    state = TrainingState(processes.replicate(learned))
    sample = jax.ShapeDtypeStruct((1, *inputs.shape[1:]), inputs.dtype)
    factory = configuration.model
    return Prepared(options, field, factory, source, splits, network, objective, optimization, state, sample)
