"""Which channels of a model belong together, across shortcuts and layers, and the model's arrays without some of them.

A framework follows its model's operations, and joins the axes (`chain/axes.py`) of the arrays that they take.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from trainwright_trainers.chain.axes import Axis, Shape, axes
from trainwright_trainers.data import Array


@dataclass(frozen=True)
class Layer:
    """The axes of a linear or convolutional layer's weights."""

    inputs: list[Axis] = field(default_factory=list)
    outputs: list[Axis] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """A dimension of an array that runs along a group's channels: it is [before, channels, after] in one."""

    array: str
    dimension: int
    before: int
    after: int
    taken: bool
    """Whether the array's layer takes the channels there, rather than makes them."""

    def spread(self, channels: Array) -> Array:
        """[channels] -> the same for every entry of the dimension."""
        return np.tile(np.repeat(channels, self.after), self.before)


@dataclass(frozen=True)
class Group:
    """Channels that can only be removed everywhere at once."""

    name: str
    """The first layer that makes them."""
    channels: int
    places: list[Place]


@dataclass(frozen=True)
class Structure:
    """What was found out about a model."""

    groups: list[Group]
    whole: list[str]
    """The layers that can't lose outputs, but for those that make the model's output."""
    weights: Mapping[str, int | None]
    """The weights of linear and convolutional layers, each with its last dimension along the layer's inputs; none where
    there is only one input."""
    unfollowed: str = ""
    """Why the model's operations can't be followed, where that is so."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What people call the weights, where these have other names."""


Kept = Mapping[str, Array]
"""By group, which of its channels stay: [channels] bool."""
Arrays = Mapping[str, Array]
"""By name, all that a model has learned."""


def structure_from(shapes: Mapping[str, Shape], layers: Mapping[str, Layer], output: Shape) -> Structure:
    """The structure of a model whose operations were followed.

    Args:
        shapes: the model's arrays, by name.
        layers: by those arrays that are weights of linear or convolutional layers.
        output: what the model gives.
    """
    output.fix()
    answer = {axis for dimension in output.dimensions for axis in axes(dimension)}
    found: dict[Axis, list[Place]] = {}
    weights: dict[str, int | None] = dict.fromkeys(layers)
    for name, shape in shapes.items():
        inputs = set(axes(layers[name].inputs)) if name in layers else set()
        for number, dimension in enumerate(shape.dimensions):
            taken = bool(inputs.intersection(axes(dimension)))
            if taken:
                weights[name] = number
            for axis, before, after in _parts(axes(dimension)):
                found.setdefault(axis, []).append(Place(name, number, before, after, taken))
    groups = []
    for axis, places in found.items():
        makers = [place.array for place in places if place.array in layers and not place.taken]
        if makers and not axis.fixed:
            groups.append(Group(makers[0], axis.size, places))
    whole = [
        name for name, layer in layers.items() if any(axis.fixed and axis not in answer for axis in axes(layer.outputs))
    ]
    return Structure(groups, whole, weights)


def _parts(dimension: list[Axis]) -> list[tuple[Axis, int, int]]:
    """Each axis of a dimension, with the entries of those outside and inside it."""
    sizes = [axis.size for axis in dimension]
    return [(axis, math.prod(sizes[:place]), math.prod(sizes[place + 1 :])) for place, axis in enumerate(dimension)]


def cut(arrays: Arrays, structure: Structure, kept: Kept) -> dict[str, Array]:
    """The model's arrays without the channels that don't stay."""
    left = dict(arrays)
    for (name, dimension), stays in _entries(structure, kept).items():
        left[name] = np.compress(stays, left[name], axis=dimension)
    return left


def without_inputs(arrays: Arrays, structure: Structure, kept: Kept) -> dict[str, Array]:
    """The arrays of a model that has all channels and makes no use of those that don't stay.

    Cut rightly, a model answers as this one does.
    """
    left = dict(arrays)
    for (name, dimension), stays in _entries(structure, kept, taken=True).items():
        shape = [-1 if number == dimension else 1 for number in range(left[name].ndim)]
        left[name] = left[name] * stays.reshape(shape)
    return left


def _entries(structure: Structure, kept: Kept, *, taken: bool = False) -> dict[tuple[str, int], Array]:
    """By array and dimension, which of its entries stay; only where channels are taken, or everywhere."""
    found: dict[tuple[str, int], Array] = {}
    for group in structure.groups:
        for place in group.places:
            if group.name in kept and (place.taken or not taken):
                key = place.array, place.dimension
                found[key] = found.get(key, True) & place.spread(kept[group.name])
    return found


def magnitudes(arrays: Arrays, structure: Structure, group: Group) -> Array:
    """The sum of the magnitudes of all weights that make or take a channel: [channels]."""
    total = np.zeros(group.channels)
    for place in group.places:
        if place.array in structure.weights:
            others = np.moveaxis(np.abs(arrays[place.array].astype(np.float64)), place.dimension, 0)
            entries = others.reshape(len(others), -1).sum(axis=1)
            total += entries.reshape(place.before, group.channels, place.after).sum(axis=(0, 2))
    return total
