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


Method = Callable[[nn.Module, Array, float], Pruned]
"""(model in evaluation mode, one input [1, ...], share to remove) -> what it did to the model, in place."""
