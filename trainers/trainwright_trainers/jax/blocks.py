"""The blocks that a Flax module repeats: what is computed again in the backward pass, one after the other."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
from flax import linen


def find_blocks(run: Callable[[], Any]) -> frozenset[str]:
    """Paths of the modules of several layers that stand beside others of their class, such as a transformer's blocks.

    Where no class is repeated, those of several layers. What lies within a block is no block of its own, and the whole
    model is none.

    Args:
        run: sends a batch through the model.
    """
    kinds: dict[str, type] = {}

    def note(next_function: Any, args: Any, kwargs: Any, context: linen.module.InterceptorContext) -> Any:
        if context.method_name == "__call__":
            kinds["/".join(context.module.path)] = type(context.module)
        return next_function(*args, **kwargs)

    with linen.intercept_methods(note):
        run()
    several = [path for path in kinds if path and any(other.startswith(f"{path}/") for other in kinds)]
    siblings = Counter((_parent(path), kinds[path]) for path in several)
    repeated = [path for path in several if siblings[_parent(path), kinds[path]] > 1]
    found = repeated or several
    return frozenset(path for path in found if not any(path.startswith(f"{other}/") for other in found))


@contextmanager
def recompute(blocks: frozenset[str]) -> Iterator[None]:
    """In this context a Flax module's blocks keep only their inputs for the backward pass."""
    inside: list[str] = []

    def again(next_function: Any, args: Any, kwargs: Any, context: linen.module.InterceptorContext) -> Any:
        path = "/".join(context.module.path)
        if context.method_name != "__call__" or path not in blocks or path in inside:
            return next_function(*args, **kwargs)
        leaves, form = jax.tree.flatten((args, kwargs))
        # Only arrays go through the transformation: a flag such as `train` must stay one that Python can ask.
        arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]

        def body(module: Any, *arrays: Any) -> Any:
            given = iter(arrays)
            filled = [next(given) if isinstance(leaf, jax.Array) else leaf for leaf in leaves]
            args, kwargs = jax.tree.unflatten(form, filled)
            inside.append(path)
            try:
                return module(*args, **kwargs)
            finally:
                inside.pop()

        return linen.remat(body)(context.module, *arrays)

    if not blocks:
        yield
        return
    with linen.intercept_methods(again):
        yield


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
