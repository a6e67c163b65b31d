"""Which dimensions of a model's arrays run along the same channels.

A dimension is a list of axes: one of its own at first, several where dimensions were merged, none where its size is 1.
Following the model's operations, axes that must be as long as each other become one axis. What can't be followed is
fixed: it may not change its length.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(eq=False)
class Axis:
    """An axis of so many channels, or what became of one."""

    size: int
    fixed: bool = False
    parts: "list[Axis] | None" = None
    """The axes that it was found to be."""


Dimension = list[Axis]


@dataclass(frozen=True)
class Shape:
    """The dimensions of an array."""

    dimensions: list[Dimension]
    weight: str | None = None
    """The model's own array that this is, perhaps in another form."""

    @classmethod
    def new(cls, sizes: Sequence[int], *, fixed: bool = False) -> "Shape":
        """An array that nothing is known of but its sizes."""
        return cls([new_dimension(size, fixed=fixed) for size in sizes])

    def __getitem__(self, dimension: int) -> Dimension:
        return self.dimensions[dimension]

    def fix(self) -> None:
        """No dimension may change its length."""
        for dimension in self.dimensions:
            fix(dimension)


def new_dimension(size: int, *, fixed: bool = False) -> Dimension:
    """A dimension that nothing is known of."""
    return [Axis(size, fixed)] if size > 1 else []


def axes(dimension: Dimension) -> list[Axis]:
    """The axes that the dimension was found to be, outermost first."""
    found = []
    for axis in dimension:
        found += [axis] if axis.parts is None else axes(axis.parts)
    return found


def fix(dimension: Dimension) -> None:
    """The dimension may not change its length."""
    for axis in axes(dimension):
        axis.fixed = True


def join(first: Dimension, second: Dimension) -> None:
    """Two dimensions are as long as each other, and run along the same channels."""
    left, right = axes(first), axes(second)
    while left and right:
        one, other = left.pop(0), right.pop(0)
        if one is other:
            continue
        if one.size == other.size:
            other.fixed = other.fixed or one.fixed
            one.parts = [other]
            # Either may stand in the lists again.
            left, right = axes(left), axes(right)
            continue
        small, large, rest = (one, other, right) if one.size < other.size else (other, one, left)
        if large.size % small.size:
            fix([one, other, *left, *right])
            return
        rest.insert(0, _split(large, small))


def _split(large: Axis, outer: Axis) -> Axis:
    """Make `outer` the outer part of the axis `large`; gives the inner part."""
    inner = Axis(large.size // outer.size, large.fixed)
    outer.fixed = outer.fixed or large.fixed
    large.parts = [outer, inner]
    return inner


def reshaped(shape: Shape, sizes: Sequence[int]) -> Shape:
    """The dimensions after a reshape: merged ones keep their axes, split ones are fixed."""
    left = [axis for dimension in shape.dimensions for axis in axes(dimension)]
    dimensions = []
    for size in sizes:
        dimension: Dimension = []
        while math.prod(axis.size for axis in dimension) < size:
            axis = left.pop(0)
            missing = size // math.prod(part.size for part in dimension)
            if axis.size > missing:
                if axis.size % missing:
                    shape.fix()
                    return Shape.new(sizes, fixed=True)
                outer = Axis(missing, fixed=True)
                axis.fixed = True
                left.insert(0, _split(axis, outer))
                axis = outer
            dimension.append(axis)
        if math.prod(axis.size for axis in dimension) != size:
            shape.fix()
            return Shape.new(sizes, fixed=True)
        dimensions.append(dimension)
    return Shape(dimensions, shape.weight)
