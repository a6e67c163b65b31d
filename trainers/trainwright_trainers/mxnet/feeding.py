"""This process' share of every batch, read only as far as it is its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainwright_trainers.data import Arrays, Dataset, read_batch
from trainwright_trainers.data.ahead import ReadAhead
from trainwright_trainers.data.order import Indices, Position, epoch_batches, global_batch
from trainwright_trainers.mxnet.processes import Processes
from trainwright_trainers.mxnet.tensors import as_nd


@dataclass(frozen=True)
class Batch:
    """One optimizer step's samples, in parts that are computed on one after the other."""

    parts: tuple[tuple[Any, Any, float], ...]
    """(inputs, targets, share in the global batch's mean) of each part."""
    samples: int
    """Samples of the global batch."""


class Feeder:
    """Reads the batches of a data set in the training's order."""

    def __init__(self, dataset: Dataset, processes: Processes, *, seed: int, batch_size: int, parts: int) -> None:
        self._dataset = dataset
        self._processes = processes
        self._seed = seed
        self._batch_size = batch_size
        self._parts = parts
        self._ahead = None if isinstance(dataset, Arrays) else ReadAhead()

    def epoch(self, position: Position) -> Iterator[Batch]:
        """The batches from `position` to the end of its epoch."""
        wanted = epoch_batches(self._seed, position, len(self._dataset), self._batch_size)
        return map(self._read, wanted) if self._ahead is None else self._ahead.map(self._read, wanted)

    def _read(self, indices: Indices) -> Batch:
        mine = global_batch(indices, self._processes.rank, self._processes.size, self._parts)
        parts = []
        for part, weight in zip(mine.parts, mine.weights, strict=True):
            inputs, targets = read_batch(self._dataset, part)
            device = self._processes.device
            parts.append((as_nd(inputs, device), as_nd(targets, device), weight))
        return Batch(tuple(parts), len(indices))
