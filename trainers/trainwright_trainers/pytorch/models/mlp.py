"""A multi-layer perceptron."""

from typing import Annotated

from pydantic import Field, validate_call
from torch import nn

from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size


@validate_call(config=STRICT)
def mlp(
    inputs: Size = 64,
    hidden: Annotated[list[Size], Field(max_length=64)] = [128, 128],  # noqa: B006 - read only
    classes: Size = 10,
    dropout: Dropout = 0.0,
) -> nn.Module:
    """Fully connected layers with ReLU between them.

    Takes [batch, ...] with `inputs` values a sample, returns logits [batch, classes].
    """
    layers: list[nn.Module] = [nn.Flatten()]
    width = inputs
    for size in hidden:
        layers += [nn.Linear(width, size), nn.ReLU(inplace=True)]
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    layers.append(nn.Linear(width, classes))
    return nn.Sequential(*layers)
