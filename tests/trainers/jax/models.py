"""Models that a pruning method has to follow."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen


class Shortcuts(linen.Module):
    """Shortcuts, a flattened image, a pooling, layers that are used twice, one input channel after another."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = jnp.transpose(x, (0, 2, 3, 1))
        x = linen.relu(linen.Conv(8, (3, 3), name="stem")(x))
        y = linen.Conv(12, (3, 3), use_bias=False, name="inside")(x)
        y = linen.relu(linen.BatchNorm(use_running_average=not train, name="norm")(y))
        x = linen.max_pool(x + linen.Conv(8, (1, 1), name="back")(y), (2, 2), strides=(2, 2))
        up = linen.ConvTranspose(6, (2, 2), strides=(2, 2), name="up")(x)
        x = linen.Conv(8, (2, 2), strides=(2, 2), name="down")(linen.gelu(up)) + x
        x = x.reshape(len(x), -1)
        twice = linen.Dense(16, name="twice")
        x = linen.Dense(16, name="before")(x)
        return linen.Dense(10, name="answer")(twice(linen.relu(twice(linen.relu(x)))))


class Untied(linen.Module):
    """A depthwise convolution, a concatenation and a norm over all channels: what is tied to them stays whole."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = jnp.transpose(x, (0, 2, 3, 1))
        x = linen.Conv(8, (3, 3), name="stem")(x)
        x = linen.relu(linen.Conv(8, (3, 3), feature_group_count=8, name="depthwise")(x))
        x = jnp.concatenate([x, linen.Conv(4, (1, 1), name="beside")(x)], axis=-1)
        x = linen.relu(linen.Dense(16, name="free")(x.mean(axis=(1, 2))))
        x = linen.LayerNorm(name="norm")(linen.Dense(8, name="normed")(x))
        return linen.Dense(10, name="answer")(x)


class SizeInCode(linen.Module):
    """A size that stands in the code, where no operation shows it."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.Dense(16, name="first")(x.reshape(len(x), -1))
        return linen.Dense(10, name="second")(x.reshape(-1, 16))


class DroppingBlock(linen.Module):
    """Batch normalization and dropout."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = linen.BatchNorm(use_running_average=not train)(linen.Dense(16)(x))
        return x + linen.Dropout(0.3, deterministic=not train)(linen.relu(y))


class Encoder(linen.Module):
    """Two blocks."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return DroppingBlock(name="block1")(DroppingBlock(name="block0")(x, train), train=train)


class Repeated(linen.Module):
    """Blocks inside a part of the model."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = linen.Dense(16, name="stem")(x.reshape(len(x), -1))
        return linen.Dense(10, name="head")(Encoder(name="encoder")(x, train))


class Attending(linen.Module):
    """Attention with its heads split, whose output is a sum over them; rules of both kinds that Flax has.

    Written as a user does who knows nothing of the trainer.
    """

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        weights, biases = linen.initializers.lecun_normal(), linen.initializers.zeros_init()
        x = linen.Dense(16)(x.reshape(len(x), 8, 8))
        y = linen.MultiHeadDotProductAttention(
            2,
            kernel_init=linen.with_partitioning(weights, (None, "model", None)),
            bias_init=linen.with_partitioning(biases, ("model", None)),
            out_kernel_init=linen.with_partitioning(weights, ("model", None, None)),
            out_bias_init=biases,
        )(x)
        wide = linen.with_logical_partitioning(weights, (None, "model", None))
        y = linen.DenseGeneral((2, 16), kernel_init=wide)(linen.relu(x + y)).mean(axis=1)
        return linen.DenseGeneral(10, (-2, -1), kernel_init=linen.with_partitioning(weights, ("model", None, None)))(y)


class Plain(NamedTuple):
    """A model of two functions, whose weights lie the other way round."""

    @staticmethod
    def init(key: jax.Array, inputs: jax.Array) -> dict[str, Any]:
        first, second = jax.random.split(key)
        return {
            "into": jax.random.normal(first, (32, inputs[0].size)) / 8,
            "out": jax.random.normal(second, (10, 32)) / 6,
            "scale": jnp.ones(32),
        }

    @staticmethod
    def apply(parameters: dict[str, Any], inputs: jax.Array) -> jax.Array:
        hidden = jnp.tanh(inputs.reshape(len(inputs), -1) @ parameters["into"].T) * parameters["scale"]
        return hidden @ parameters["out"].T


def attending() -> linen.Module:
    return Attending()


def repeated() -> linen.Module:
    return Repeated()


def shortcuts() -> linen.Module:
    return Shortcuts()


def untied() -> linen.Module:
    return Untied()


def size_in_code() -> linen.Module:
    return SizeInCode()


def plain() -> Plain:
    return Plain()
