"""Which channels of a model belong together, across shortcuts and layers, and the model without some of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.jax.artifacts import Model, of_stored, stored
from trainwright_trainers.jax.axes import Axis, Shape, axes, fix
from trainwright_trainers.jax.following import Follower
from trainwright_trainers.jax.networks import PARAMETERS
from trainwright_trainers.jax.trees import flatten, map_named

INPUT = "input"


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
    weights: dict[str, int | None]
    """The weights of linear and convolutional layers, each with its last dimension along the layer's inputs; none where
    there is only one input."""


Kept = Mapping[str, Array]
"""By group, which of its channels stay: [channels] bool."""


def structure_of(model: Model) -> Structure:
    """Follow the model's operations on one input."""

    def run(variables: object, inputs: jax.Array) -> jax.Array:
        return replace(model, variables=of_stored(variables)).run(inputs)  # type: ignore[arg-type]

    arrays = stored(model.variables)
    shapes = {name: Shape.new(array.shape) for name, array in flatten(arrays).items()}
    follower = Follower()
    sample = Shape.new(model.sample.shape, fixed=True)
    (output,) = follower.follow(jax.make_jaxpr(run)(arrays, model.sample), {**shapes, INPUT: sample})
    output.fix()
    cuttable = model.network.cuttable(model.variables, model.sample)
    for name, shape in shapes.items():
        for number, dimension in enumerate(shape.dimensions):
            if number not in cuttable.get(name, ()):
                fix(dimension)

    layers = {name: layer for name, layer in follower.layers.items() if name != INPUT}
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
        name.removeprefix(f"{PARAMETERS}/").removesuffix("/kernel")
        for name, layer in layers.items()
        if any(axis.fixed and axis not in answer for axis in axes(layer.outputs))
    ]
    return Structure(groups, whole, weights)


def _parts(dimension: list[Axis]) -> list[tuple[Axis, int, int]]:
    """Each axis of a dimension, with the entries of those outside and inside it."""
    sizes = [axis.size for axis in dimension]
    return [(axis, math.prod(sizes[:place]), math.prod(sizes[place + 1 :])) for place, axis in enumerate(dimension)]


def cut(model: Model, structure: Structure, kept: Kept) -> dict[str, Array]:
    """The model's arrays without the channels that don't stay."""
    arrays = {name: np.asarray(array) for name, array in flatten(stored(model.variables)).items()}
    for (name, dimension), stays in _entries(structure, kept).items():
        arrays[name] = np.compress(stays, arrays[name], axis=dimension)
    return arrays


def without_inputs(model: Model, structure: Structure, kept: Kept) -> Model:
    """The model with all channels that makes no use of those that don't stay; cut rightly, it answers the same."""
    arrays = {name: np.asarray(array) for name, array in flatten(stored(model.variables)).items()}
    for (name, dimension), stays in _entries(structure, kept, taken=True).items():
        shape = [-1 if number == dimension else 1 for number in range(arrays[name].ndim)]
        arrays[name] = arrays[name] * stays.reshape(shape)
    return replace(model, variables=of_stored(map_named(lambda name, _: arrays[name], stored(model.variables))))


def _entries(structure: Structure, kept: Kept, *, taken: bool = False) -> dict[tuple[str, int], Array]:
    """By array and dimension, which of its entries stay; only where channels are taken, or everywhere."""
    found: dict[tuple[str, int], Array] = {}
    for group in structure.groups:
        for place in group.places:
            if group.name in kept and (place.taken or not taken):
                key = place.array, place.dimension
                found[key] = found.get(key, True) & place.spread(kept[group.name])
    return found
