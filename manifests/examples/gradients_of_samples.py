"""Says which training samples a model learns most from: the norm of each sample's own gradient, by vmap of grad.

Plain JAX, with the data that ships with trainwright; nothing else of it is used. Every process takes its share of the
samples and writes what it found into the job's storage.
"""

import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from trainwright_trainers.data import digits

rank, size = int(os.environ["JAX_PROCESS_ID"]), int(os.environ["JAX_NUM_PROCESSES"])
split = digits().train
inputs = jnp.asarray(split.inputs.reshape(len(split), -1), jnp.float32)
targets = jnp.asarray(split.targets)


def initialize(key: jax.Array) -> dict[str, jax.Array]:
    """64 inputs, 32 hidden units, 10 classes."""
    first, second = jax.random.split(key)
    return {"in": jax.random.normal(first, (64, 32)) / 8, "out": jax.random.normal(second, (32, 10)) / 6}


def loss(weights: dict[str, jax.Array], sample: jax.Array, target: jax.Array) -> jax.Array:
    """Of one sample: [64] and its class."""
    logits = jnp.tanh(sample @ weights["in"]) @ weights["out"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, target)


def mean_loss(weights: dict[str, jax.Array]) -> jax.Array:
    """Of all samples."""
    return jax.vmap(loss, (None, 0, 0))(weights, inputs, targets).mean()


@jax.jit
def norms(weights: dict[str, jax.Array], samples: jax.Array, targets: jax.Array) -> jax.Array:
    """The norm of every sample's own gradient, [n]: no batch is summed up."""
    gradients = jax.vmap(jax.grad(loss), (None, 0, 0))(weights, samples, targets)
    return jax.vmap(optax.tree.norm)(gradients)


weights = initialize(jax.random.key(0))
descend = jax.jit(lambda weights: jax.tree.map(lambda w, g: w - g, weights, jax.grad(mean_loss)(weights)))
for _ in range(100):  # the same in every process
    weights = descend(weights)

mine = jnp.arange(rank, len(inputs), size)
found = norms(weights, inputs[mine], targets[mine])
hardest = jnp.argsort(found)[::-1][:5]
report = {
    "samples": len(mine),
    "meanNorm": float(found.mean()),
    "hardest": [{"sample": int(mine[place]), "norm": float(found[place])} for place in hardest],
}
path = Path(os.environ["TRAINWRIGHT_OUTPUT"]).with_name(f"gradients-{rank}.json")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(report))
print(f"process {rank} of {size}: {len(mine)} samples, mean norm {report['meanNorm']:.3f}, hardest {report['hardest']}")
