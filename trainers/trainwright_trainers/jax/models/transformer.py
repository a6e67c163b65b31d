"""A small transformer in Flax (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), with the norm before a layer."""

import jax
from flax import linen
from pydantic import validate_call

from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size
from trainwright_trainers.runtime.errors import ConfigurationError

WEIGHTS, BIASES = linen.initializers.lecun_normal(), linen.initializers.zeros_init()


class Block(linen.Module):
    """Attention and two dense layers, each with a shortcut: [batch, length, width] -> the same.

    Of several devices that hold it together each has some heads and some of the hidden units (Shoeybi et al. 2019,
    https://arxiv.org/abs/1909.08053).
    """

    heads: int
    dropout: float

    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Class docstring."""
        width = x.shape[-1]
        y = linen.LayerNorm()(x)
        y = linen.MultiHeadDotProductAttention(
            self.heads,
            dropout_rate=self.dropout,
            deterministic=not train,
            kernel_init=linen.with_partitioning(WEIGHTS, (None, "model", None)),
            bias_init=linen.with_partitioning(BIASES, ("model", None)),
            out_kernel_init=linen.with_partitioning(WEIGHTS, ("model", None, None)),
            out_bias_init=BIASES,
        )(y)
        x = x + y
        wide = linen.Dense(
            4 * width,
            kernel_init=linen.with_partitioning(WEIGHTS, (None, "model")),
            bias_init=linen.with_partitioning(BIASES, ("model",)),
        )
        y = linen.gelu(wide(linen.LayerNorm()(x)))
        y = linen.Dense(width, kernel_init=linen.with_partitioning(WEIGHTS, ("model", None)))(y)
        return x + linen.Dropout(self.dropout, deterministic=not train)(y)


class Transformer(linen.Module):
    """[batch, ..., length, values] -> logits [batch, classes]: each row of an image is a token, for example."""

    width: int
    depth: int
    heads: int
    classes: int
    dropout: float

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Class docstring."""
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        x = linen.Dense(self.width)(x)
        x = x + self.param("positions", linen.initializers.normal(0.02), x.shape[1:])
        for _ in range(self.depth):
            x = Block(self.heads, self.dropout)(x, train)
        return linen.Dense(self.classes)(linen.LayerNorm()(x).mean(axis=1))


@validate_call(config=STRICT)
def transformer(
    width: Size = 64, depth: Size = 2, heads: Size = 4, classes: Size = 10, dropout: Dropout = 0.0
) -> linen.Module:
    """An encoder that classifies sequences of tokens, 101k parameters at the defaults on digits.

    Raises:
        ConfigurationError: the width can't be split into so many heads.
    """
    if width % heads:
        raise ConfigurationError(f"spec.model.args.width: {width} must be a multiple of heads, {heads}")
    return Transformer(width, depth, heads, classes, dropout)
