"""A multi-layer perceptron."""

from typing import Annotated, Any

import keras
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
    layers: list[Any] = [keras.layers.Flatten()]
    for width in hidden:
        layers.append(keras.layers.Dense(width, activation="relu", kernel_initializer="he_normal"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    return keras.Sequential([*layers, keras.layers.Dense(classes)])
