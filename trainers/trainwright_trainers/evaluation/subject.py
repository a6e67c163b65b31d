"""What is measured: a model in any format, behind one function."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from trainwright_trainers.data import Array

Predict = Callable[[Array], Array]
"""A batch of inputs [n, ...] -> the model's outputs [n, ...], as they come from its last layer."""


def model_input(inputs: Array) -> Array:
    """A batch as models take it: float64 becomes float32, as it did in training."""
    return np.ascontiguousarray(inputs, dtype=np.float32 if inputs.dtype == np.float64 else None)


@dataclass(frozen=True)
class Subject:
    """A model that can be measured."""

    open: Callable[[int], Predict]
    """Gives the model ready to run on that many threads."""

    weights: Callable[[], Iterable[Array]]
    """Gives its stored weights, without running statistics and quantization's scales."""

    size_bytes: int
    """Bytes of its files."""
