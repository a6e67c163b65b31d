"""Models of every kind behind two functions: Flax modules, and pairs of functions in plain JAX."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
from flax import linen

from trainwright.api.steps import Factory
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import make

Tree = Any
"""Arrays in nested dictionaries."""


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

    def __init__(self, module: linen.Module) -> None:
        self._module: Any = module
        self._names = set(inspect.signature(type(module).__call__).parameters)

    def _mode(self, training: bool) -> dict[str, bool]:
        values = {"train": training, "training": training, "deterministic": not training}
        return {name: value for name, value in values.items() if name in self._names}

    def initialize(self, key: jax.Array, inputs: jax.Array) -> Variables:
        """As `Network`."""
        parameters_key, dropout_key = jax.random.split(key)
        keys = {"params": parameters_key, "dropout": dropout_key}
        state = dict(self._module.init(keys, inputs, **self._mode(False)))
        return Variables(state.pop("params", {}), state)

    def apply(
        self, variables: Variables, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, Tree]:
        """As `Network`."""
        collections = {"params": variables.parameters, **variables.state}
        if not training:
            return self._module.apply(collections, inputs, **self._mode(False)), variables.state
        outputs, state = self._module.apply(
            collections, inputs, mutable=list(variables.state), rngs={"dropout": key}, **self._mode(True)
        )
        return outputs, dict(state)


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


def make_network(factory: Factory) -> Network:
    """The job's model, made by the factory that the user names; it holds no weights yet.

    Raises:
        ConfigurationError: the factory can't be called, or returns something that is not a model.
    """
    model = make(factory, "spec.model")
    if isinstance(model, linen.Module):
        return LinenNetwork(model)
    if not isinstance(model, type) and callable(getattr(model, "init", None)) and callable(getattr(model, "apply", 0)):
        return FunctionsNetwork(model)
    raise ConfigurationError(
        f"spec.model.factory: {factory.factory} must return a flax.linen.Module, or an object with the functions"
        f" init(key, inputs) and apply(parameters, inputs); it returned {type(model).__name__}"
    )
