"""Keras variables and their values."""

from collections.abc import Mapping
from typing import Any

from trainwright_trainers.data import Array
from trainwright_trainers.runtime.tensors import check_tensors


def assign_tensors(variables: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Give each variable the array of its name.

    Raises:
        ValueError: one is missing or too many, or has another shape or type.
    """
    check_tensors(arrays, variables)
    for name, variable in variables.items():
        variable.assign(arrays[name])
