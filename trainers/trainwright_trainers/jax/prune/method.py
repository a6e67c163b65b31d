"""What a pruning method is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trainwright_trainers.data import Array
from trainwright_trainers.jax.artifacts import Model


@dataclass(frozen=True)
class Pruned:
    """What a method made of a model."""

    model: Model
    zeros: Mapping[str, Array] = field(default_factory=dict)
    """By array, such as `parameters/Dense_0/kernel`, where fine-tuning must keep it zero: bool, of its shape."""

    notes: list[str] = field(default_factory=list)
    """What the user should know."""


@dataclass(frozen=True)
class Target:
    """How much of a model is to be gone."""

    amount: float
    """Share of what there was before the first round: of the weights, or of the channels."""

    everywhere: bool
    """Whether all layers are ranked together, so that some lose more than others."""

    before: Mapping[str, int]
    """By group of channels, how many there were before the first round."""


Method = Callable[[Model, Array, Target], Pruned]
"""(model, one input [1, ...], what is to be gone) -> what is left."""
