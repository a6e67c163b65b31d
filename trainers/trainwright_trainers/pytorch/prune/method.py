"""What a pruning method is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from trainwright.api.base import JsonObject
from trainwright_trainers.data import Array


@dataclass(frozen=True)
class Pruned:
    """What a method did to a model."""

    zeros: Mapping[str, Tensor] = field(default_factory=dict)
    """By parameter, where fine-tuning must keep it zero: a boolean tensor of its shape."""

    cuts: list[JsonObject] = field(default_factory=list)
    """How the model's shape was changed, for `cut_channels`."""

    notes: list[str] = field(default_factory=list)
    """What the user should know."""


@dataclass(frozen=True)
class Target:
    """How much of a model is to be gone."""

    amount: float
    """Share of what there was before the first round: of the weights, or of the channels."""

    everywhere: bool = False
    """Whether all layers are ranked together, so that some lose more than others."""

    before: Mapping[str, int] = field(default_factory=dict)
    """By layer, its output channels before the first round; as they are now where it isn't named."""


Method = Callable[[nn.Module, Array, Target], Pruned]
"""(model in evaluation mode, one input [1, ...], what is to be gone) -> what it did to the model, in place."""
