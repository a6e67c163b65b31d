"""A Gluon model as pruning sees it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mxnet.gluon import nn

from trainwright_trainers.chain.channels import Arrays, Structure
from trainwright_trainers.data import Array
from trainwright_trainers.mxnet.networks import kept
from trainwright_trainers.mxnet.programs import predict_by
from trainwright_trainers.mxnet.tensors import assign_tensors

TRANSPOSED = (nn.Conv1DTranspose, nn.Conv2DTranspose, nn.Conv3DTranspose)
CONVOLUTIONS = (nn.Conv1D, nn.Conv2D, nn.Conv3D)


@dataclass(frozen=True)
class Candidate:
    """As `chain.prune.method.Prunable`."""

    model: Any

    @property
    def arrays(self) -> Arrays:
        """As `Prunable`."""
        return {name: values.asnumpy() for name, values in kept(self.model).items()}

    @property
    def structure(self) -> Structure:
        """As `Prunable`; channels are not followed."""
        names = {id(parameter): f"parameters/{name}" for name, parameter in _parameters(self.model).items()}
        weights = {names[id(parameter)]: inputs for parameter, inputs in weighted(self.model)}
        return Structure([], [], weights, "the MXNet trainer follows no channels")

    def made_of(self, arrays: Arrays) -> "Candidate":
        """As `Prunable`."""
        assign_tensors(kept(self.model), arrays)
        return self

    def run(self, inputs: Array) -> Array:
        """As `Prunable`."""
        return predict_by(self.model)(inputs)


def weighted(block: Any) -> Iterator[tuple[Any, int]]:
    """The weights of linear and convolutional layers at any depth, each with its dimension along the layer's inputs."""
    if isinstance(block, TRANSPOSED):
        yield block.weight, 0
    elif isinstance(block, (nn.Dense, *CONVOLUTIONS)):
        yield block.weight, 1
    for child in block._children.values():
        yield from weighted(child)


def _parameters(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = model._collect_params_with_prefix()
    return found
