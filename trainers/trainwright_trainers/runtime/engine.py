"""What the engines of the training loop share: a state, where its batches come from, and where it is saved."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from trainwright_trainers.data import Array
from trainwright_trainers.data.order import Position
from trainwright_trainers.runtime.checkpointing import Checkpointing, Group, State

Batch = TypeVar("Batch")
Read = TypeVar("Read", covariant=True)


class Feeds(Protocol[Read]):
    """Reads a data set's batches in the training's order."""

    def epoch(self, position: Position) -> Iterator[Read]:
        """The batches from `position` to the end of its epoch."""


class StatefulEngine(Generic[State, Batch]):
    """The part of a `runtime.training.Engine` that is the same in every framework."""

    def __init__(
        self, state: State, feeder: Feeds[Batch], checkpointing: Checkpointing[State], processes: Group
    ) -> None:
        self._state = state
        self._feeder = feeder
        self._checkpointing = checkpointing
        self._processes = processes

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self._state.step

    @property
    def position(self) -> Position:
        """How far the training is in its data."""
        return self._state.position

    @position.setter
    def position(self, position: Position) -> None:
        self._state.position = position

    def batches(self) -> Iterator[Batch]:
        """The batches from the position to the end of its epoch."""
        return self._feeder.epoch(self._state.position)

    def gather(self, row: Array) -> Array:
        """The rows of all processes."""
        return self._processes.gather(row)

    def save(self) -> None:
        """Begin to save a checkpoint."""
        self._checkpointing.save(self._state)

    @property
    def checkpoint_bytes(self) -> int:
        """Size of the last checkpoint that this process wrote."""
        return self._checkpointing.size_bytes
