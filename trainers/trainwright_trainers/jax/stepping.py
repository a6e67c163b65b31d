"""One optimizer step as one compiled program over all devices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import NamedSharding, PartitionSpec

from trainwright.api.steps import Precision
from trainwright_trainers.jax.checkpointing import Learned
from trainwright_trainers.jax.losses import Loss, of_samples
from trainwright_trainers.jax.networks import Network, Tree, Variables
from trainwright_trainers.jax.optimization import Optimization
from trainwright_trainers.jax.processes import AXIS, MODEL, Processes
from trainwright_trainers.jax.trees import map_floats


class Told(NamedTuple):
    """What a step tells, each a number."""

    loss: jax.Array
    """Mean over the global batch."""
    rate: jax.Array
    """Learning rate."""
    gradient_norm: jax.Array
    """Before clipping."""


Step = Callable[[Learned, jax.Array, jax.Array, jax.Array, Any], tuple[Learned, Told]]
"""(what is learned, inputs, targets, weights, number of the step) -> (what is learned, what the step tells).

The first is given away: its memory is used for the result.
"""


class Guide(Protocol):
    """What is made small in a loss' stead, such as the distance to a teacher's answers."""

    @property
    def constants(self) -> Tree:
        """Arrays that it needs, on all devices."""

    def __call__(self, constants: Tree, inputs: jax.Array, outputs: jax.Array, losses: jax.Array) -> jax.Array:
        """(its constants, a batch, the model's outputs, the loss of every sample) -> the same for every sample, [n]."""


@dataclass(frozen=True)
class Objective:
    """What is made small."""

    network: Network
    loss: Loss
    precision: Precision
    guide: Guide | None = None

    def losses(self, constants: Tree, inputs: jax.Array, outputs: jax.Array, targets: jax.Array) -> jax.Array:
        """What is made small, for every sample: [n] float32."""
        losses = of_samples(self.loss(outputs, targets))
        return losses if self.guide is None else self.guide(constants, inputs, outputs, losses)

    def forward(
        self, variables: Variables, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, Tree]:
        """(outputs, changed state): in bf16 where asked for, but the state and the outputs."""
        if self.precision != "bf16":
            return self.network.apply(variables, inputs, training=training, key=key)
        parameters, inputs = map_floats(lambda leaf: leaf.astype(jnp.bfloat16), (variables.parameters, inputs))
        outputs, state = self.network.apply(Variables(parameters, variables.state), inputs, training=training, key=key)
        types = jax.tree.map(lambda leaf: leaf.dtype, variables.state)
        return outputs.astype(jnp.float32), jax.tree.map(lambda leaf, dtype: leaf.astype(dtype), state, types)


def make_step(
    objective: Objective,
    optimization: Optimization,
    processes: Processes,
    seed: int,
    shardings: Learned | None = None,
) -> Step:
    """The step, compiled when it is first called for a shape of batch.

    Each device computes on its own samples, with batch normalization's statistics of its own; then loss, state and
    gradients go through one sum over all devices. Where several devices hold a model together, XLA divides what each
    group of them computes by how its weights are split.

    Args:
        objective: what is made small.
        optimization: how parameters are changed.
        processes: those that train.
        seed: of the random numbers.
        shardings: how what is learned lies on the devices; all of it on each when None.
    """
    shares = processes.shares
    constants = {} if objective.guide is None else objective.guide.constants

    def step(
        learned: Learned, constants: Tree, inputs: Any, targets: Any, weights: Any, number: Any
    ) -> tuple[Learned, Told]:
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), number), jax.lax.axis_index(AXIS))
        parameters, state = learned.variables
        batch = inputs[0], targets[0], weights[0]
        loss, state, gradients = _gradients(objective, learned.variables, constants, batch, key)
        mean_state = map_floats(lambda leaf: leaf / shares, state)
        loss, state, gradients = add_up((loss, mean_state, gradients), processes)
        updates, optimizer = optimization.transformation.update(gradients, learned.optimizer, parameters)
        parameters = optax.apply_updates(parameters, updates)
        told = Told(loss, jnp.asarray(optimization.rate(number), jnp.float32), optax.tree.norm(gradients))
        return Learned(Variables(parameters, state), optimizer), told

    everywhere, spread = PartitionSpec(), PartitionSpec(AXIS)
    mapped = on_shares(step, processes, (everywhere, everywhere, spread, spread, spread, everywhere))
    result = (shardings, NamedSharding(processes.mesh, everywhere)) if shardings is not None else None
    compiled = jax.jit(mapped, donate_argnums=0, out_shardings=result)
    return lambda learned, *batch_and_number: compiled(learned, constants, *batch_and_number)


def on_shares(function: Callable[..., Any], processes: Processes, in_specs: Any) -> Callable[..., Any]:
    """The function on each share of a batch, with a result that is the same on all of them."""
    axes = {AXIS} if processes.split else {AXIS, MODEL}  # what is left to XLA, which splits models
    return jax.shard_map(
        function,
        mesh=processes.mesh,
        in_specs=in_specs,
        out_specs=PartitionSpec(),
        axis_names=axes,
        check_vma=False,
    )


def add_up(tree: Tree, processes: Processes) -> Tree:
    """The sum of all shares' trees."""
    if processes.shares == 1:
        return tree
    if processes.split:
        return jax.lax.psum(tree, AXIS)
    flat, restore = ravel_pytree(tree)  # one message instead of many
    return restore(jax.lax.psum(flat, AXIS))


def _gradients(
    objective: Objective, variables: Variables, constants: Tree, parts: tuple[jax.Array, ...], key: jax.Array
) -> tuple[jax.Array, Tree, Tree]:
    """(loss, state, gradients) of this device's samples, [parts, samples, ...], one part after the other."""

    def of_part(state: Tree, part: tuple[jax.Array, ...], number: Any) -> tuple[jax.Array, Tree, Tree]:
        inputs, targets, weights = part

        def weighted(parameters: Tree) -> tuple[jax.Array, Tree]:
            here = jax.random.fold_in(key, number)
            outputs, changed = objective.forward(Variables(parameters, state), inputs, training=True, key=here)
            return (objective.losses(constants, inputs, outputs, targets) * weights).sum(), changed

        (loss, changed), gradients = jax.value_and_grad(weighted, has_aux=True)(variables.parameters)
        return loss, changed, gradients

    count = len(parts[0])
    if count == 1:
        return of_part(variables.state, tuple(array[0] for array in parts), 0)

    def add(carry: tuple[Any, ...], part: tuple[Any, ...]) -> tuple[tuple[Any, ...], None]:
        loss, state, gradients = carry
        more_loss, state, more_gradients = of_part(state, part[:3], part[3])
        return (loss + more_loss, state, jax.tree.map(jnp.add, gradients, more_gradients)), None

    start = (jnp.zeros(()), variables.state, jax.tree.map(jnp.zeros_like, variables.parameters))
    (loss, state, gradients), _ = jax.lax.scan(add, start, (*parts, jnp.arange(count)))
    return loss, state, gradients
