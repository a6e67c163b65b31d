"""Models of every kind behind two functions: Flax modules, and pairs of functions in plain JAX."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax
from flax import linen
from jax.sharding import PartitionSpec

from trainwright.api.steps import Factory
from trainwright_trainers.jax.blocks import find_blocks, recompute
from trainwright_trainers.jax.layers import has_width, narrowed, unconstrained
from trainwright_trainers.jax.trees import flatten
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import make

Tree = Any
"""Arrays in nested dictionaries."""

Shapes = Mapping[str, Sequence[int]]
"""Sizes of arrays by their names, such as `parameters/Dense_0/kernel`."""


class Variables(NamedTuple):
    """A model's arrays."""

    parameters: Tree
    """What is trained."""
    state: Tree
    """What the model itself changes as it is trained, such as the running statistics of batch normalization."""


class Network(Protocol):
    """A model as functions of its variables."""

    def initialize(self, key: jax.Array, inputs: jax.Array) -> Variables:
        """Initial variables for such a batch of inputs."""

    def apply(
        self, variables: Variables, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, Tree]:
        """(outputs, changed state) for a batch; `key` is for what is random in training, such as dropout."""

    def cuttable(self, variables: Variables, inputs: Any) -> dict[str, frozenset[int]]:
        """By array, the dimensions that may become smaller without a change of the model's own code.

        Whether the model then still computes the same is for its operations to tell.
        """

    def with_shapes(self, shapes: Shapes) -> "Network":
        """The model for arrays that were cut to these shapes; those of others are as they were."""

    def recomputing(self, variables: Variables, inputs: Any) -> "Network | None":
        """The model that computes its blocks again in the backward pass; none where it has no blocks."""

    def partition(self, inputs: Any) -> dict[str, PartitionSpec]:
        """By parameter, which of its dimensions the model's own rules split along which axis of the mesh."""


class Functions(NamedTuple):
    """A model in plain JAX.

    A factory may return this or anything else that has the two functions. `apply` may also take `training` and `key`,
    by these names.
    """

    init: Callable[[jax.Array, jax.Array], Tree]
    """(key, batch of inputs) -> parameters."""
    apply: Callable[..., jax.Array]
    """(parameters, batch of inputs) -> outputs."""


class LinenNetwork:
    """A module of flax.linen.

    Whether it is trained is told by an argument `train`, `training` or `deterministic`, where the module has one.
    """

    def __init__(
        self,
        module: linen.Module,
        widths: Mapping[str, int] = MappingProxyType({}),
        recomputed: frozenset[str] = frozenset(),
    ) -> None:
        """A network of a module.

        Args:
            module: the module.
            widths: by their paths, of layers that are as wide as that and not as the module's code makes them.
            recomputed: paths of the blocks that are computed again in the backward pass.
        """
        self._module: Any = module
        self._widths = widths
        self._recomputed = recomputed
        self._names = set(inspect.signature(type(module).__call__).parameters)

    def _mode(self, training: bool) -> dict[str, bool]:
        values = {"train": training, "training": training, "deterministic": not training}
        return {name: value for name, value in values.items() if name in self._names}

    def initialize(self, key: jax.Array, inputs: jax.Array) -> Variables:
        """As `Network`."""
        state = dict(linen.unbox(self._initialize(key, inputs)))
        return Variables(state.pop("params", {}), state)

    def _initialize(self, key: jax.Array, inputs: jax.Array) -> Any:
        """All collections; what the module says of an array's partition is around it."""
        parameters_key, dropout_key = jax.random.split(key)
        keys = {"params": parameters_key, "dropout": dropout_key}
        with self._intercepted():
            return self._module.init(keys, inputs, **self._mode(False))

    def apply(
        self, variables: Variables, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, Tree]:
        """As `Network`."""
        collections = {"params": variables.parameters, **variables.state}
        with self._intercepted():
            if not training:
                return self._module.apply(collections, inputs, **self._mode(False)), variables.state
        with self._intercepted(), recompute(self._recomputed):
            outputs, state = self._module.apply(
                collections, inputs, mutable=list(variables.state), rngs={"dropout": key}, **self._mode(True)
            )
        return outputs, dict(state)

    def cuttable(self, variables: Variables, inputs: Any) -> dict[str, frozenset[int]]:
        """As `Network`: both sides of linear and convolutional layers, and batch normalization along its channels."""
        found: dict[str, frozenset[int]] = {}

        def note(next_function: Any, args: Any, kwargs: Any, context: linen.module.InterceptorContext) -> Any:
            layer: Any = context.module
            path = "/".join(layer.path)
            if context.method_name != "__call__":
                return next_function(*args, **kwargs)
            if has_width(layer):
                kernel = layer.variables["params"]["kernel"]
                found[f"{PARAMETERS}/{path}/kernel"] = frozenset((kernel.ndim - 2, kernel.ndim - 1))
                found[f"{PARAMETERS}/{path}/bias"] = frozenset((0,))
            elif isinstance(layer, linen.BatchNorm):
                for name in ("parameters/{}/scale", "parameters/{}/bias", *STATISTICS):
                    found[name.format(path)] = frozenset((0,))
            return next_function(*args, **kwargs)

        def run(variables: Variables, inputs: jax.Array) -> jax.Array:
            with linen.intercept_methods(note):
                return self.apply(variables, inputs, training=False, key=None)[0]

        jax.eval_shape(run, variables, inputs)
        return found

    def with_shapes(self, shapes: Shapes) -> Network:
        """As `Network`."""
        before, after = f"{PARAMETERS}/", "/kernel"
        kernels = {name: shape for name, shape in shapes.items() if name.startswith(before) and name.endswith(after)}
        widths = {name.removeprefix(before).removesuffix(after): shape[-1] for name, shape in kernels.items()}
        return LinenNetwork(self._module, {**self._widths, **widths}, self._recomputed)

    def recomputing(self, variables: Variables, inputs: Any) -> Network | None:
        """As `Network`."""

        def run(variables: Variables, inputs: jax.Array) -> jax.Array:
            return self.apply(variables, inputs, training=False, key=None)[0]

        found = find_blocks(lambda: jax.eval_shape(run, variables, inputs))
        return LinenNetwork(self._module, self._widths, found) if found else None

    def partition(self, inputs: Any) -> dict[str, PartitionSpec]:
        """As `Network`: by the boxes of `flax.linen.with_partitioning`."""
        specs = linen.get_partition_spec(jax.eval_shape(self._initialize, jax.random.key(0), inputs))
        return flatten(specs.get("params", {}))

    @contextmanager
    def _intercepted(self) -> Iterator[None]:
        """In this context the module's layers are as this network has them."""
        with unconstrained(), narrowed(self._widths):
            yield


PARAMETERS = "parameters"
STATISTICS = ("state/batch_stats/{}/mean", "state/batch_stats/{}/var")
"""Where batch normalization keeps its running statistics, by the module's path."""


class FunctionsNetwork:
    """A pair of functions."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions
        self._names = set(inspect.signature(functions.apply).parameters)

    def initialize(self, key: jax.Array, inputs: jax.Array) -> Variables:
        """As `Network`."""
        return Variables(self._functions.init(key, inputs), {})

    def apply(
        self, variables: Variables, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, Tree]:
        """As `Network`."""
        values = {"training": training, "key": key}
        extra = {name: value for name, value in values.items() if name in self._names}
        return self._functions.apply(variables.parameters, inputs, **extra), {}

    def cuttable(self, variables: Variables, inputs: Any) -> dict[str, frozenset[int]]:  # noqa: ARG002
        """As `Network`: functions take their widths from the parameters that they are given."""
        arrays = flatten({PARAMETERS: variables.parameters})
        return {name: frozenset(range(array.ndim)) for name, array in arrays.items()}

    def with_shapes(self, shapes: Shapes) -> Network:  # noqa: ARG002
        """As `Network`."""
        return self

    def recomputing(self, variables: Variables, inputs: Any) -> Network | None:  # noqa: ARG002
        """As `Network`: functions use jax.checkpoint themselves."""
        return None

    def partition(self, inputs: Any) -> dict[str, PartitionSpec]:  # noqa: ARG002
        """As `Network`: functions have no rules."""
        return {}


def make_network(factory: Factory, field: str = "spec.model") -> Network:
    """The job's model, made by the factory that the user names; it holds no weights yet.

    Args:
        factory: makes the model.
        field: where the user named it.

    Raises:
        ConfigurationError: the factory can't be called, or returns something that is not a model.
    """
    model = make(factory, field)
    if isinstance(model, linen.Module):
        return LinenNetwork(model)
    if not isinstance(model, type) and callable(getattr(model, "init", None)) and callable(getattr(model, "apply", 0)):
        return FunctionsNetwork(model)
    raise ConfigurationError(
        f"{field}.factory: {factory.factory} must return a flax.linen.Module, or an object with the functions"
        f" init(key, inputs) and apply(parameters, inputs); it returned {type(model).__name__}"
    )
