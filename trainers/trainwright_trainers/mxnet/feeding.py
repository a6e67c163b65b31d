"""This process' share of every batch, read only as far as it is its own."""

from dataclasses import dataclass
from typing import Any

from trainwright_trainers.data import read_batch
from trainwright_trainers.data.feeding import BatchFeeder
from trainwright_trainers.data.order import Indices, global_batch
from trainwright_trainers.mxnet.processes import Processes
from trainwright_trainers.mxnet.tensors import as_nd


@dataclass(frozen=True)
class Batch:
    """One optimizer step's samples, in parts that are computed on one after the other."""

    parts: tuple[tuple[Any, Any, float], ...]
    """(inputs, targets, share in the global batch's mean) of each part."""
    samples: int
    """Samples of the global batch."""


class Feeder(BatchFeeder[Processes, Batch]):
    """Reads a process' share of each batch of a data set, in the training's order."""

    def _read(self, indices: Indices) -> Batch:
        mine = global_batch(indices, self._processes.rank, self._processes.size, self._parts)
        parts = []
        for part, weight in zip(mine.parts, mine.weights, strict=True):
            inputs, targets = read_batch(self.dataset, part)
            device = self._processes.device
            parts.append((as_nd(inputs, device), as_nd(targets, device), weight))
        return Batch(tuple(parts), len(indices))
