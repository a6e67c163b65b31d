"""Trees of arrays as flat dictionaries, which safetensors can hold: nothing needs a pickle."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from safetensors import SafetensorError

from trainwright_trainers.data import Array

Tree = Any


def flatten(tree: Tree) -> dict[str, Any]:
    """The tree's leaves by their paths, such as `parameters/layer0/kernel`."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def unflatten(leaves: Mapping[str, Any], like: Tree) -> Tree:
    """A tree of the form of `like` with the leaves that `flatten` gave.

    Raises:
        ValueError: a leaf is missing or too many, or has another shape or type.
    """
    wanted = flatten(like)
    missing, unknown = sorted(wanted.keys() - leaves.keys()), sorted(leaves.keys() - wanted.keys())
    if missing or unknown:
        raise ValueError(
            f"{len(missing)} arrays are missing {missing[:3]}, {len(unknown)} are not the model's {unknown[:3]}"
        )
    for name, leaf in wanted.items():
        found = leaves[name]
        if tuple(found.shape) != tuple(leaf.shape) or found.dtype != leaf.dtype:
            raise ValueError(
                f"{name} is {found.dtype} {list(found.shape)}, the model's is {leaf.dtype} {list(leaf.shape)}"
            )
    return jax.tree_util.tree_map_with_path(lambda path, _: leaves[_name(path)], like)


def map_named(change: Callable[[str, Any], Any], tree: Tree) -> Tree:
    """The tree with each leaf replaced by what `change` makes of its name, as `flatten` gives it, and itself."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: change(_name(path), leaf), tree)


def write_tensors(leaves: Mapping[str, Any], path: Path) -> None:
    """Write a safetensors file; an OSError when that fails, as on a full disk."""
    arrays = {name: np.asarray(leaf, order="C") for name, leaf in leaves.items()}
    try:
        safetensors.numpy.save_file(arrays, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def read_tensors(path: Path) -> dict[str, Array]:
    """The arrays of a safetensors file.

    Raises:
        SafetensorError: it is not one.
    """
    return safetensors.numpy.load_file(path)


def map_floats(change: Callable[[Any], Any], tree: Tree) -> Tree:
    """The tree with each array of floating-point numbers changed."""

    def of_leaf(leaf: Any) -> Any:
        return change(leaf) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(of_leaf, tree)


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
