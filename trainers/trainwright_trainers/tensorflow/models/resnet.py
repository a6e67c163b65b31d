"""A small residual network (He et al. 2016, https://arxiv.org/abs/1603.05027)."""

from typing import Annotated, Any

import keras
from pydantic import Field, validate_call

from trainwright_trainers.runtime.arguments import STRICT, Size


@validate_call(config=STRICT)
def resnet(
    widths: Annotated[list[Size], Field(min_length=1, max_length=8)] = [16, 32, 64],  # noqa: B006 - read only
    blocks: Annotated[int, Field(ge=1, le=100)] = 1,
    channels: Size = 1,
    classes: Size = 10,
) -> Any:
    """A stem of 3x3, then `blocks` residual blocks a width, of which each width but the first halves height and width.

    Takes images [batch, channels, height, width], returns logits [batch, classes]; inside, the channels are last. The
    statistics of batch normalization are those of the whole group's samples. At the defaults 8 layers with 78k
    parameters, for images of 8 to 32 pixels.
    """
    inputs = keras.Input((channels, None, None))
    x = keras.layers.Permute((2, 3, 1))(inputs)
    x = _activated(_normalized(_convolution(widths[0], 3)(x)))
    for number, width in enumerate(widths):
        for block in range(blocks):
            x = _residual(x, width, strides=2 if number and not block else 1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


def _residual(x: Any, width: int, strides: int) -> Any:
    """Two convolutions beside a shortcut, which has one of its own where the form changes."""
    y = _activated(_normalized(_convolution(width, 3, strides)(x)))
    y = _normalized(_convolution(width, 3)(y))
    if strides != 1 or x.shape[-1] != width:
        x = _normalized(_convolution(width, 1, strides)(x))
    return _activated(keras.layers.Add()([x, y]))


def _convolution(width: int, size: int, strides: int = 1) -> Any:
    return keras.layers.Conv2D(width, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal")


def _normalized(x: Any) -> Any:
    return keras.layers.BatchNormalization(momentum=0.9, synchronized=True)(x)


def _activated(x: Any) -> Any:
    return keras.layers.ReLU()(x)
