"""A Keras model as pruning sees it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from keras import layers

from trainwright_trainers.chain.axes import Shape
from trainwright_trainers.chain.channels import Arrays, Structure, structure_from
from trainwright_trainers.data import Array
from trainwright_trainers.tensorflow.following import TRANSPOSED, Follower, graph_of
from trainwright_trainers.tensorflow.narrowing import narrowed
from trainwright_trainers.tensorflow.networks import kept
from trainwright_trainers.tensorflow.tensors import assign_tensors

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)


@dataclass(frozen=True)
class Candidate:
    """As `chain.prune.method.Prunable`."""

    model: Any
    sample: Array
    """One input, [1, ...]."""

    @cached_property
    def arrays(self) -> Arrays:
        """As `Prunable`."""
        return {name: np.asarray(variable.numpy()) for name, variable in kept(self.model).items()}

    @cached_property
    def structure(self) -> Structure:
        """As `Prunable`."""
        variables = kept(self.model)
        names = {id(variable): name for name, variable in variables.items()}
        kernels = {names[id(layer.kernel)]: (layer, inputs) for layer, inputs in weighted_layers(self.model)}
        weights = {name: inputs for name, (_, inputs) in kernels.items()}
        labels = {name: f"{layer.name}/kernel" for name, (layer, _) in kernels.items()}
        if graph_of(self.model) is None:
            kind = type(self.model).__name__
            reason = (
                f"it follows keras.Sequential and keras.Model(inputs, outputs) layer by layer, spec.model is a {kind}"
            )
            return Structure([], [], weights, reason, labels)
        follower = Follower(variables)
        (output,) = follower.follow(self.model, [Shape.new(self.sample.shape, fixed=True)])
        found = structure_from(follower.shapes, follower.layers, output)
        whole = [kernels[name][0].name for name in found.whole]
        return replace(found, whole=whole, weights=weights, labels=labels)

    def made_of(self, arrays: Arrays) -> "Candidate":
        """As `Prunable`."""
        own = kept(self.model)
        shapes = {name: array.shape for name, array in arrays.items() if array.shape != tuple(own[name].shape)}
        model = narrowed(self.model, shapes, self.sample)
        assign_tensors(kept(model), arrays)
        return Candidate(model, self.sample)

    def run(self, inputs: Array) -> Array:
        """As `Prunable`."""
        return np.asarray(self.model(inputs, training=False), np.float32)


def weighted_layers(model: Any) -> Iterator[tuple[Any, int | None]]:
    """The linear and convolutional layers at any depth, each with its kernel's dimension along the layer's inputs; none
    where there is only one input."""
    for layer in model._flatten_layers():
        if not layer.built:
            continue
        if isinstance(layer, layers.Dense):
            yield layer, 0
        elif isinstance(layer, layers.EinsumDense):
            _, kernel, output = layer.equation.replace("->", ",").split(",")
            contracted = [place for place, letter in enumerate(kernel) if letter not in output]
            yield layer, contracted[-1] if contracted else None
        elif isinstance(layer, TRANSPOSED):
            yield layer, len(layer.kernel.shape) - 1
        elif isinstance(layer, CONVOLUTIONS):
            yield layer, len(layer.kernel.shape) - 2
        elif isinstance(layer, DEPTHWISE):
            yield layer, None
