"""The batches of a data set in the training's order: what the feeders of several frameworks share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from trainwright_trainers.data.ahead import ReadAhead
from trainwright_trainers.data.order import Indices, Position, epoch_batches
from trainwright_trainers.data.splits import Arrays, Dataset

Processes = TypeVar("Processes")
Batch = TypeVar("Batch")


class BatchFeeder(ABC, Generic[Processes, Batch]):
    """Reads the batches of a data set, ahead of their use where reading takes time."""

    def __init__(self, dataset: Dataset, processes: Processes, *, seed: int, batch_size: int, parts: int) -> None:
        """A feeder.

        Args:
            dataset: what is read.
            processes: the framework's, among which each batch is shared.
            seed: of the order.
            batch_size: samples of a batch over all processes.
            parts: that each process splits its share into.
        """
        self.dataset = dataset
        self._processes = processes
        self._seed = seed
        self._batch_size = batch_size
        self._parts = parts
        self._ahead = None if isinstance(dataset, Arrays) else ReadAhead()

    def epoch(self, position: Position) -> Iterator[Batch]:
        """The batches from `position` to the end of its epoch."""
        wanted = epoch_batches(self._seed, position, len(self.dataset), self._batch_size)
        return map(self._read, wanted) if self._ahead is None else self._ahead.map(self._read, wanted)

    @abstractmethod
    def _read(self, indices: Indices) -> Batch:
        """This process' share of the batch of these samples; called in threads."""
