"""How a model is split over the devices that hold it together: by rules that it has itself."""

from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

from trainwright.api.base import JsonObject
from trainwright_trainers.jax.checkpointing import Learned
from trainwright_trainers.jax.processes import MODEL, Processes
from trainwright_trainers.jax.trees import flatten, map_named
from trainwright_trainers.runtime.errors import ConfigurationError

Specs = Mapping[str, PartitionSpec]
"""By parameter, which of its dimensions are split along which axis of the mesh."""


def shardings_of(learned: Learned, specs: Specs, processes: Processes) -> Learned:
    """How what is learned lies on the devices: what an optimizer keeps of a parameter lies as that does."""
    parameters = flatten(learned.variables.parameters)

    def sharding(name: str, array: Any) -> NamedSharding:
        own = max((one for one in parameters if f"/{name}".endswith(f"/{one}")), key=len, default="")
        fits = own in parameters and parameters[own].shape == array.shape
        return NamedSharding(processes.mesh, specs.get(own, PartitionSpec()) if fits else PartitionSpec())

    return map_named(sharding, learned)


def check_specs(specs: Specs, parameters: Any, processes: Processes, field: str, model_field: str) -> None:
    """Refuse to split what can't be.

    Raises:
        ConfigurationError: the model has no rules for it, or names another axis, or a dimension can't be divided.
    """
    devices = processes.mesh.shape[MODEL]
    if not any(MODEL in spec for spec in specs.values()):
        raise ConfigurationError(
            f"{field}: {model_field} has no rules by which its weights can be split; a Flax module has them by"
            f" flax.linen.with_partitioning(initializer, names), with the axis {MODEL!r} among the names"
        )
    for name, array in flatten(parameters).items():
        for size, axis in zip(array.shape, specs.get(name, ()), strict=False):
            if axis not in (None, MODEL):
                raise ConfigurationError(f"{model_field}: {name} is split along {axis!r}; the only axis is {MODEL!r}")
            if axis == MODEL and size % devices:
                raise ConfigurationError(
                    f"{field}: {devices} devices can't divide {name} of {model_field}, {list(array.shape)}, along a"
                    f" dimension of {size}"
                )


def told(parameters: Any) -> JsonObject:
    """How large the weights are, and what of them one device has."""
    arrays = jax.tree.leaves(parameters)
    return {
        "weights": {
            "bytes": sum(array.nbytes for array in arrays),
            "bytesPerDevice": sum(array.addressable_data(0).nbytes for array in arrays),
        }
    }
