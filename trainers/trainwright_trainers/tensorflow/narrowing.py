"""A Keras model whose layers have fewer channels than its factory gave them."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from trainwright_trainers.data import Array
from trainwright_trainers.tensorflow.following import graph_of
from trainwright_trainers.tensorflow.networks import kept

WIDTHS: dict[type, tuple[str, int]] = {
    layers.Dense: ("units", -1),
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), ("filters", -1)),
    **dict.fromkeys((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), ("filters", -2)),
}
"""By kind of layer, what its configuration calls the number of its outputs, and the dimension of its kernel that has as
many entries. Other layers follow from what they are given."""


def narrowed(model: Any, shapes: Mapping[str, Sequence[int]], sample: Array) -> Any:
    """A model like this one with new variables, some of them smaller; the same one where none is.

    Args:
        model: made by its factory.
        shapes: of the variables that have another shape, by their names in `kept`.
        sample: some inputs, [n, ...].

    Raises:
        ValueError: there is no such model, or this one has no graph of layers.
    """
    if not shapes:
        return model
    names = {id(variable): name for name, variable in kept(model).items()}
    clones: dict[int, Any] = {}

    def clone(layer: Any) -> Any:
        if id(layer) not in clones:
            clones[id(layer)] = make(layer)
        return clones[id(layer)]

    def make(layer: Any) -> Any:
        if type(layer) is keras.Sequential:  # without its input, which may be narrower now
            return keras.Sequential([clone(inner) for inner in layer.layers], name=layer.name)
        if graph_of(layer) is not None:
            return keras.models.clone_model(layer, clone_function=clone)
        configuration = layer.get_config()
        if type(layer) in WIDTHS:
            word, dimension = WIDTHS[type(layer)]
            shape = shapes.get(names[id(layer.kernel)])
            if shape is not None:
                configuration[word] = shape[dimension]
        return type(layer).from_config(configuration)

    made = keras.models.clone_model(model, clone_function=clone)
    made(np.zeros_like(sample[:1]), training=False)
    return made
