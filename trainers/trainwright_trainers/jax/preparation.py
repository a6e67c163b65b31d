"""From the user's configuration to what is trained, checked as far as that goes without computing."""

from dataclasses import dataclass

import jax

from trainwright.api.steps import Train
from trainwright_trainers.chain.training import Wanted
from trainwright_trainers.data import Array, Splits, make_splits
from trainwright_trainers.data.order import Position, steps_left
from trainwright_trainers.jax import preflight
from trainwright_trainers.jax.checkpointing import Learned, TrainingState
from trainwright_trainers.jax.losses import make_loss
from trainwright_trainers.jax.networks import Network, Variables, make_network
from trainwright_trainers.jax.optimization import Optimization, make_optimization
from trainwright_trainers.jax.partitioning import check_specs, shardings_of
from trainwright_trainers.jax.processes import Processes, place
from trainwright_trainers.jax.stepping import Objective
from trainwright_trainers.runtime.batches import check_batch_size
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError


@dataclass(frozen=True)
class Prepared:
    """What the user's configuration became."""

    wanted: Wanted
    splits: Splits
    objective: Objective
    optimization: Optimization
    state: TrainingState
    sample: jax.ShapeDtypeStruct
    """What a batch of one input is like, [1, ...]."""

    @property
    def options(self) -> Train:
        """How to train."""
        return self.wanted.options


def prepare(step: StepContext, processes: Processes, wanted: Wanted) -> Prepared:
    """Make everything that the configuration describes.

    Raises:
        ConfigurationError: something of it can't be made, or doesn't fit together.
    """
    options, field = wanted.options, wanted.field
    if options.precision == "fp16":
        raise ConfigurationError(f"{field}.precision: JAX trains in fp32 or bf16, not in fp16")
    loss = make_loss(options.loss, f"{field}.loss")
    network = make_network(wanted.factory, wanted.model_field)
    splits = make_splits(step.configuration)
    samples = len(splits.train)
    check_batch_size(options, samples, processes.shares, field)
    steps = steps_left(Position(), options.epochs, options.batch_size, samples)
    optimization = make_optimization(options, steps, field)
    inputs, _ = preflight.first_batch(splits)
    if wanted.source is None:
        key = jax.random.key(step.configuration.seed)
        variables = preflight.initialize(jax.jit(network.initialize), key, inputs, wanted.model_field)
    else:
        from trainwright_trainers.jax.artifacts import load_model  # not needed by most trainings

        model = load_model(wanted.source, wanted.factory)
        network, variables = model.network, model.variables
    preflight.check_parameters(variables, wanted.model_field)
    if options.activation_checkpointing:
        network = recomputing(network, variables, inputs, f"{field}.activationCheckpointing")
    objective = Objective(network, loss, options.precision)
    preflight.check(objective, variables, splits, field, wanted.model_field)
    learned = Learned(variables, optimization.transformation.init(variables.parameters))
    specs = network.partition(inputs) if processes.split else {}
    if processes.split:
        check_specs(specs, variables.parameters, processes, f"{field}.tensorParallel", wanted.model_field)
    state = TrainingState(place(learned, shardings_of(learned, specs, processes)))
    sample = jax.ShapeDtypeStruct((1, *inputs.shape[1:]), inputs.dtype)
    return Prepared(wanted, splits, objective, optimization, state, sample)


def recomputing(network: Network, variables: Variables, inputs: Array, field: str) -> Network:
    """The network that computes its blocks again in the backward pass.

    Raises:
        ConfigurationError: it has no blocks.
    """
    found = network.recomputing(variables, inputs)
    if found is None:
        raise ConfigurationError(
            f"{field}: the model has no blocks to compute again: submodules of several layers in a flax.linen.Module; a"
            " model in plain JAX uses jax.checkpoint itself"
        )
    return found
