"""A small convolutional network."""

from typing import Annotated, Any

import keras
from pydantic import Field, validate_call

from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size


@validate_call(config=STRICT)
def cnn(
    widths: Annotated[list[Size], Field(min_length=1, max_length=8)] = [16, 32, 64],  # noqa: B006 - read only
    classes: Size = 10,
    dropout: Dropout = 0.1,
) -> Any:
    """3x3 convolutions with batch normalization, each but the first of which halves height and width.

    Takes images [batch, channels, height, width], as every framework's come, returns logits [batch, classes]; inside,
    the channels are last. The statistics of batch normalization are those of the whole group's samples. At the defaults
    24k parameters, for images of 8 to 32 pixels.
    """
    layers: list[Any] = [keras.layers.Permute((2, 3, 1))]
    for index, width in enumerate(widths):
        strides = 1 if index == 0 else 2
        layers += [
            keras.layers.Conv2D(width, 3, strides, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9, synchronized=True),
            keras.layers.ReLU(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(dropout), keras.layers.Dense(classes)]
    return keras.Sequential(layers)
