"""A multi-layer perceptron in plain JAX."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from pydantic import Field, validate_call

from trainwright_trainers.jax.networks import Functions
from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size


@validate_call(config=STRICT)
def mlp(
    hidden: Annotated[list[Size], Field(max_length=64)] = [128, 128],  # noqa: B006 - read only
    classes: Size = 10,
    dropout: Dropout = 0.0,
) -> Functions:
    """Fully connected layers with ReLU between them.

    Takes [batch, ...], returns logits [batch, classes].
    """

    def init(key: jax.Array, inputs: jax.Array) -> dict[str, Any]:
        widths = [inputs[0].size, *hidden, classes]
        keys = jax.random.split(key, len(widths) - 1)
        return {
            f"layer{number}": {
                "kernel": jax.nn.initializers.he_normal()(keys[number], (width, widths[number + 1])),
                "bias": jnp.zeros(widths[number + 1]),
            }
            for number, width in enumerate(widths[:-1])
        }

    def apply(parameters: dict[str, Any], inputs: jax.Array, *, training: bool, key: jax.Array) -> jax.Array:
        x = inputs.reshape(inputs.shape[0], -1)  # len() would fix the batch size of an export
        for number in range(len(hidden)):
            x = jax.nn.relu(_dense(parameters[f"layer{number}"], x))
            if training and dropout:
                keep = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - dropout, x.shape)
                x = jnp.where(keep, x / (1 - dropout), 0)
        return _dense(parameters[f"layer{len(hidden)}"], x)

    return Functions(init, apply)


def _dense(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return x @ layer["kernel"] + layer["bias"]
