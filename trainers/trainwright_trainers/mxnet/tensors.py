"""Gluon parameters and their values."""

from collections.abc import Mapping
from typing import Any

import mxnet as mx
import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.runtime.tensors import check_tensors


def as_nd(values: Array, device: Any = None) -> Any:
    """Inputs or targets as an NDArray: float64 becomes float32, other numbers stay what they are."""
    numbers = model_input(values)
    return mx.nd.array(numbers, dtype=numbers.dtype, ctx=device or mx.cpu())


def assign_tensors(own: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Give each NDArray the values of its name.

    Raises:
        ValueError: one is missing or too many, or has another shape or type.
    """
    check_tensors(arrays, {name: _Form(values) for name, values in own.items()})
    for name, values in own.items():
        values[:] = mx.nd.array(arrays[name], dtype=arrays[name].dtype, ctx=values.context)


class _Form:
    """An NDArray's shape and type, as NumPy has them."""

    def __init__(self, values: Any) -> None:
        self.shape, self.dtype = values.shape, np.dtype(values.dtype)
