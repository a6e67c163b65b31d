"""A multi-layer perceptron."""

from typing import Annotated, Any

from mxnet.gluon import nn
from pydantic import Field, validate_call

from trainwright_trainers.runtime.arguments import STRICT, Dropout, Size


@validate_call(config=STRICT)
def mlp(
    hidden: Annotated[list[Size], Field(max_length=64)] = [128, 128],  # noqa: B006 - read only
    classes: Size = 10,
    dropout: Dropout = 0.0,
) -> Any:
    """Fully connected layers with ReLU between them.

    Takes [batch, ...], returns logits [batch, classes].
    """
    model = nn.HybridSequential()
    model.add(nn.Flatten())
    for width in hidden:
        model.add(nn.Dense(width, activation="relu"))
        if dropout:
            model.add(nn.Dropout(dropout))
    model.add(nn.Dense(classes))
    return model
