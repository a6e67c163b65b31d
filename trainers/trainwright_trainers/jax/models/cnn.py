"""A small convolutional network in Flax."""

from collections.abc import Sequence
from typing import Annotated

import jax
import jax.numpy as jnp
from flax import linen
from pydantic import Field, validate_call

from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size


class Cnn(linen.Module):
    """Images [batch, channels, height, width] -> logits [batch, classes].

    The images come as every framework's do, with the channels first; inside they are last, as XLA likes it.
    """

    widths: Sequence[int]
    classes: int
    dropout: float

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Class docstring."""
        x = jnp.transpose(x, (0, 2, 3, 1))
        for index, width in enumerate(self.widths):
            strides = (1, 1) if index == 0 else (2, 2)
            x = linen.Conv(width, (3, 3), strides, use_bias=False)(x)
            x = linen.relu(linen.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        x = x.mean(axis=(1, 2))
        x = linen.Dropout(self.dropout, deterministic=not train)(x)
        return linen.Dense(self.classes)(x)


@validate_call(config=STRICT)
def cnn(
    widths: Annotated[list[Size], Field(min_length=1, max_length=8)] = [16, 32, 64],  # noqa: B006 - read only
    classes: Size = 10,
    dropout: Dropout = 0.1,
) -> linen.Module:
    """3x3 convolutions with batch normalization, each but the first of which halves height and width.

    At the defaults 24k parameters, for images of 8 to 32 pixels.
    """
    return Cnn(tuple(widths), classes, dropout)
