"""Trees of arrays as flat dictionaries, which safetensors can hold: nothing needs a pickle."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from trainwright_trainers.runtime.tensors import check_tensors

Tree = Any


def flatten(tree: Tree) -> dict[str, Any]:
    """The tree's leaves by their paths, such as `parameters/layer0/kernel`."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def unflatten(leaves: Mapping[str, Any], like: Tree) -> Tree:
    """A tree of the form of `like` with the leaves that `flatten` gave.

    Raises:
        ValueError: a leaf is missing or too many, or has another shape or type.
    """
    check_tensors(leaves, flatten(like))
    return jax.tree_util.tree_map_with_path(lambda path, _: leaves[_name(path)], like)


def map_named(change: Callable[[str, Any], Any], tree: Tree) -> Tree:
    """The tree with each leaf replaced by what `change` makes of its name, as `flatten` gives it, and itself."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: change(_name(path), leaf), tree)


def map_floats(change: Callable[[Any], Any], tree: Tree) -> Tree:
    """The tree with each array of floating-point numbers changed."""

    def of_leaf(leaf: Any) -> Any:
        return change(leaf) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(of_leaf, tree)


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
