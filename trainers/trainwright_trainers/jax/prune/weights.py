"""Zeroing single weights."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.jax.artifacts import Model, of_stored, stored
from trainwright_trainers.jax.channels import structure_of
from trainwright_trainers.jax.trees import flatten, map_named
from trainwright_trainers.runtime.errors import ConfigurationError


def prunable_weights(model: Model) -> dict[str, tuple[Array, int | None]]:
    """The weights of every linear and convolutional layer by name, each with its dimension along the layer's inputs.

    Raises:
        ConfigurationError: the model has no such layer.
    """
    arrays = flatten(stored(model.variables))
    found = {name: (np.asarray(arrays[name]), inputs) for name, inputs in structure_of(model).weights.items()}
    if not found:
        raise ConfigurationError("prune: the model has no linear or convolutional layer whose weights could be pruned")
    return found


def without(model: Model, zeros: Mapping[str, Array]) -> Model:
    """The model with zeros where the masks are true."""

    def zeroed(name: str, array: Array) -> Array:
        return np.where(zeros[name], np.zeros_like(array), array) if name in zeros else array

    return replace(model, variables=of_stored(map_named(zeroed, stored(model.variables))))
