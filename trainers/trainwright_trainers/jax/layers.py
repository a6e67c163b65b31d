"""What is different in the layers of a Flax module while it runs, without a change of the module's own code."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from flax import linen

WITH_WIDTH = (linen.Dense, linen.Conv, linen.ConvTranspose)


class Split(linen.Partitioned[Any]):
    """An array with the axes that its dimensions are split along, which says no more than that.

    Flax' own box constrains the array whenever it is taken out.
    """

    def unbox(self, apply_constraint: bool = True) -> Any:  # noqa: ARG002
        """The array."""
        return self.value


def narrowed(widths: Mapping[str, int]) -> AbstractContextManager[None]:
    """Layers have the widths that they were cut to, and not those that the module's code gives them.

    Args:
        widths: by the layers' paths; others are as wide as they were.
    """

    def narrow(next_function: Any, args: Any, kwargs: Any, context: linen.module.InterceptorContext) -> Any:
        layer = context.module
        width = widths.get("/".join(layer.path)) if has_width(layer) else None
        with _changed(layer, {} if width is None else {"features": width}):
            return next_function(*args, **kwargs)

    return linen.intercept_methods(narrow) if widths else nullcontext()


def unconstrained() -> AbstractContextManager[None]:
    """Layers of several axes, of which attention is made, take `flax.linen.with_partitioning` on a mesh too.

    Such a layer asks an initializer for an array of fewer dimensions and takes it out of its box to shape it; on a mesh
    the box would constrain an array that isn't yet what its axes are for.
    """

    def unconstrain(next_function: Any, args: Any, kwargs: Any, context: linen.module.InterceptorContext) -> Any:
        layer: Any = context.module
        own = {name: getattr(layer, name) for name in INITIALIZERS} if isinstance(layer, linen.DenseGeneral) else {}
        with _changed(layer, {name: _telling(initializer) for name, initializer in own.items()}):
            return next_function(*args, **kwargs)

    return linen.intercept_methods(unconstrain)


INITIALIZERS = ("kernel_init", "bias_init")


def has_width(layer: linen.Module) -> bool:
    """Whether the attribute `features` is the last dimension of the layer's weights."""
    return isinstance(layer, WITH_WIDTH) and not getattr(layer, "transpose_kernel", False)


def _telling(initializer: Callable[..., Any]) -> Callable[..., Any]:
    """The initializer with boxes that only tell the axes."""

    def initialize(*args: Any, **kwargs: Any) -> Any:
        array = initializer(*args, **kwargs)
        return Split(array.value, array.names) if isinstance(array, linen.Partitioned) else array

    return initialize


@contextmanager
def _changed(layer: linen.Module, values: Mapping[str, Any]) -> Iterator[None]:
    """In this context the layer's attributes have these values."""
    own = {name: getattr(layer, name) for name in values}
    try:
        for name, value in values.items():
            object.__setattr__(layer, name, value)  # a module can't be changed otherwise while it runs
        yield
    finally:
        for name, value in own.items():
            object.__setattr__(layer, name, value)
