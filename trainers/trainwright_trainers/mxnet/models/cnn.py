"""A small convolutional network."""

from typing import Annotated, Any

from mxnet.gluon import nn
from pydantic import Field, validate_call

from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size


@validate_call(config=STRICT)
def cnn(
    widths: Annotated[list[Size], Field(min_length=1, max_length=8)] = [16, 32, 64],  # noqa: B006 - read only
    classes: Size = 10,
    dropout: Dropout = 0.1,
) -> Any:
    """3x3 convolutions with batch normalization, each but the first of which halves height and width.

    Takes images [batch, channels, height, width], returns logits [batch, classes]. The statistics of batch
    normalization are the mean of those of each process' samples. At the defaults 24k parameters, for images of 8 to 32
    pixels.
    """
    model = nn.HybridSequential()
    for index, width in enumerate(widths):
        strides = 1 if index == 0 else 2
        model.add(nn.Conv2D(width, 3, strides, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
    model.add(nn.GlobalAvgPool2D(), nn.Flatten())
    if dropout:
        model.add(nn.Dropout(dropout))
    model.add(nn.Dense(classes))
    return model
