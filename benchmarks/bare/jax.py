"""JAX: one compiled step over two processes by shard_map, with one pmean.

python -m benchmarks.bare.launch benchmarks.bare.jax
"""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks.bare.launch import addresses
from benchmarks.bare.task import BATCH, PROCESSES, RATE, STAMPS, note_step, samples
from benchmarks.figures import COUNTED, count_figures

WHOLE, SPREAD = PartitionSpec(), PartitionSpec("data")


class Timed(linen.Module):
    """A small residual network that notes when its training passes begin."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """[n, 1, 8, 8] -> [n, 10]."""
        if train and STAMPS in os.environ:  # JAX keeps no compiled program that calls back
            jax.debug.callback(note_step)
        x = jnp.transpose(x, (0, 2, 3, 1))
        x = linen.relu(linen.Conv(32, (3, 3))(x))
        for _ in range(3):
            y = linen.Conv(32, (3, 3), use_bias=False)(x)
            y = linen.relu(linen.BatchNorm(not train, momentum=0.9)(y))
            y = linen.Conv(32, (3, 3), use_bias=False)(y)
            x = linen.relu(x + linen.BatchNorm(not train, momentum=0.9)(y))
        return linen.Dense(10)(x.mean(axis=(1, 2)))


def timed_model() -> linen.Module:
    """The trainer's model factory."""
    if os.environ.get(COUNTED):
        count_figures()
    return Timed()


def make_step(mesh: Mesh, model: linen.Module, optimizer: Any) -> Any:
    """(what is learned, inputs, targets) -> (what is learned, loss), compiled."""

    def step(learned: Any, x: jax.Array, y: jax.Array) -> Any:
        parameters, statistics, kept = learned

        def loss(parameters: Any) -> Any:
            variables = {"params": parameters, "batch_stats": statistics}
            logits, changed = model.apply(variables, x, train=True, mutable=["batch_stats"])
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), changed["batch_stats"]

        (value, changed), gradients = jax.value_and_grad(loss, has_aux=True)(parameters)
        flat, restore = ravel_pytree((value, changed, gradients))
        value, changed, gradients = restore(jax.lax.pmean(flat, "data"))
        updates, kept = optimizer.update(gradients, kept, parameters)
        return (optax.apply_updates(parameters, updates), changed, kept), value

    mapped = jax.shard_map(step, mesh=mesh, in_specs=(WHOLE, SPREAD, SPREAD), out_specs=WHOLE, check_vma=False)
    return jax.jit(mapped, donate_argnums=0)


def train() -> None:
    """The loop."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    rank, share = int(os.environ["RANK"]), BATCH // PROCESSES
    jax.distributed.initialize(addresses()[0], PROCESSES, rank, cluster_detection_method="deactivate")
    mesh = Mesh(np.array(jax.devices()), ("data",))
    everywhere, shares = NamedSharding(mesh, WHOLE), NamedSharding(mesh, SPREAD)
    inputs, targets = samples()[0]
    targets = targets.astype(np.int32)
    model, optimizer = timed_model(), optax.adamw(RATE)
    step = make_step(mesh, model, optimizer)
    variables: Any = jax.jit(model.init)(jax.random.key(0), inputs[:1])
    parameters = variables["params"]

    def replicate(value: Any) -> jax.Array:
        array = np.asarray(value)
        return jax.make_array_from_callback(array.shape, everywhere, lambda index: array[index])

    learned = jax.tree.map(replicate, (parameters, variables["batch_stats"], optimizer.init(parameters)))
    random = np.random.default_rng(0)
    while True:  # until it is killed
        order = random.permutation(len(inputs))
        for start in range(rank * share, len(inputs), BATCH):
            mine = order[start : start + share]
            batch = [jax.make_array_from_process_local_data(shares, array[mine]) for array in (inputs, targets)]
            learned, value = step(learned, *batch)
        value.block_until_ready()


if __name__ == "__main__":
    train()
