"""Variables to and from safetensors files: nothing needs a pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from trainwright_trainers.data import Array


def write_tensors(arrays: Mapping[str, Array], path: Path) -> None:
    """Write a safetensors file; an OSError when that fails, as on a full disk."""
    try:
        safetensors.numpy.save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def assign_tensors(variables: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Give each variable the array of its name.

    Raises:
        ValueError: one is missing or too many, or has another shape or type.
    """
    missing, unknown = sorted(variables.keys() - arrays.keys()), sorted(arrays.keys() - variables.keys())
    if missing or unknown:
        raise ValueError(
            f"{len(missing)} arrays are missing {missing[:3]}, {len(unknown)} are not the model's {unknown[:3]}"
        )
    for name, variable in variables.items():
        found = arrays[name]
        if tuple(found.shape) != tuple(variable.shape) or found.dtype.name != variable.dtype:
            raise ValueError(
                f"{name} is {found.dtype} {list(found.shape)}, the model's is {variable.dtype} {list(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
