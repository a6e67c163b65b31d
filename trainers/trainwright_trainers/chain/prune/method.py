"""What a pruning method is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from trainwright_trainers.chain.channels import Arrays, Structure
from trainwright_trainers.data import Array


class Prunable(Protocol):
    """A framework's model as pruning sees it."""

    @property
    def arrays(self) -> Arrays:
        """All that the model has learned, by name."""

    @property
    def structure(self) -> Structure:
        """Which of its channels belong together."""

    def made_of(self, arrays: Arrays) -> Self:
        """The model of such arrays, which may have fewer channels; this one is of no use from then on.

        Raises:
            TypeError, ValueError, IndexError, KeyError, AttributeError: there is no such model.
        """

    def run(self, inputs: Array) -> Any:
        """Its outputs for a batch, as they are when nothing is trained; raises as `made_of` does."""


Subject = TypeVar("Subject", bound=Prunable)


@dataclass(frozen=True)
class Pruned(Generic[Subject]):
    """What a method made of a model."""

    model: Subject
    zeros: Mapping[str, Array] = field(default_factory=dict)
    """By array, where fine-tuning must keep it zero: bool, of its shape."""

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


class Method(Protocol):
    """Removes a part of a model."""

    def __call__(self, model: Subject, sample: Array, target: Target) -> Pruned[Subject]:
        """(model, one input [1, ...], what is to be gone) -> what is left."""
