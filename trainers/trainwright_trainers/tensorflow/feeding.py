"""Batches for this process' devices, read only as far as they are its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright_trainers.data import Array, Arrays, Dataset, read_batch
from trainwright_trainers.data.ahead import ReadAhead
from trainwright_trainers.data.order import Indices, Position, epoch_batches, global_batch
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.tensorflow.processes import Processes


@dataclass(frozen=True)
class Batch:
    """One optimizer step's samples, in parts that are computed on one after the other."""

    parts: tuple[tuple[Any, Any, Any], ...]
    """(inputs, targets, share in the global batch's mean) of each part, as `strategy.run` takes them."""
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
        place, replicas = self._processes.place, self._processes.replicas
        shares = [global_batch(indices, replica, replicas, self._parts) for replica in self._processes.own_replicas]
        parts = []
        for number in range(len(shares[0].parts)):
            read = [as_arrays(read_batch(self._dataset, share.parts[number])) for share in shares]
            weights = [np.float32(share.weights[number]) for share in shares]
            parts.append(
                (place([inputs for inputs, _ in read]), place([targets for _, targets in read]), place(weights))
            )
        return Batch(tuple(parts), len(indices))


def as_arrays(batch: tuple[Array, Array]) -> tuple[Array, Array]:
    """(inputs, targets): float64 becomes float32, integer targets become int32."""
    inputs, targets = batch
    if targets.dtype.kind in "iu":
        return model_input(inputs), targets.astype(np.int32)
    return model_input(inputs), model_input(targets)
