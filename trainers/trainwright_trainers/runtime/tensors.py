"""Arrays by name, to and from safetensors files: nothing needs a pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from trainwright_trainers.data import Array

FLOATS = ("F64", "F32", "F16")
"""Names of the floating point types that both safetensors and NumPy have."""


def write_tensors(arrays: Mapping[str, Any], path: Path) -> None:
    """Write a safetensors file; an OSError when that fails, as on a full disk."""
    try:
        safetensors.numpy.save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def read_tensors(path: Path) -> dict[str, Array]:
    """The arrays of a safetensors file.

    Raises:
        SafetensorError: it is not one.
    """
    return safetensors.numpy.load_file(path)


def find_nan(path: Path) -> str | None:
    """The first tensor of a safetensors file that has something in it that is no number; None when there is none.

    Infinities are left alone, since a mask may be made of them, and so are types that NumPy doesn't have.
    """
    with safe_open(path, "np") as file:
        for name in sorted(file.keys()):
            if file.get_slice(name).get_dtype() in FLOATS and np.isnan(file.get_tensor(name)).any():
                return str(name)
    return None


def check_tensors(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare arrays with those that a model has, by names, shapes and types.

    Raises:
        ValueError: one is missing or too many, or has another shape or type.
    """
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or unknown:
        raise ValueError(
            f"{len(missing)} arrays are missing {missing[:3]}, {len(unknown)} are not the model's {unknown[:3]}"
        )
    for name, own in wanted.items():
        other = found[name]
        if tuple(other.shape) != tuple(own.shape) or str(other.dtype) != str(own.dtype):
            raise ValueError(
                f"{name} is {other.dtype} {list(other.shape)}, the model's is {own.dtype} {list(own.shape)}"
            )
