"""Zeroing single weights."""

from collections.abc import Mapping

import numpy as np

from trainwright_trainers.chain.prune.method import Prunable, Subject
from trainwright_trainers.data import Array
from trainwright_trainers.runtime.errors import ConfigurationError


def prunable_weights(model: Prunable) -> dict[str, tuple[Array, int | None]]:
    """The weights of every linear and convolutional layer by name, each with its dimension along the layer's inputs.

    Raises:
        ConfigurationError: the model has no such layer.
    """
    arrays = model.arrays
    found = {name: (arrays[name], inputs) for name, inputs in model.structure.weights.items()}
    if not found:
        raise ConfigurationError("prune: the model has no linear or convolutional layer whose weights could be pruned")
    return found


def without(model: Subject, zeros: Mapping[str, Array]) -> Subject:
    """The model with zeros where the masks are true."""
    arrays = {
        name: np.where(zeros[name], np.zeros_like(array), array) if name in zeros else array
        for name, array in model.arrays.items()
    }
    return model.made_of(arrays)
