"""Batches for this process' devices, read only as far as they are its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright_trainers.data import Array, read_batch
from trainwright_trainers.data.feeding import BatchFeeder
from trainwright_trainers.data.order import Indices, global_batch
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.tensorflow.processes import Processes


@dataclass(frozen=True)
class Batch:
    """One optimizer step's samples, in parts that are computed on one after the other."""

    parts: tuple[tuple[Any, Any, Any], ...]
    """(inputs, targets, share in the global batch's mean) of each part, as `strategy.run` takes them."""
    samples: int
    """Samples of the global batch."""


class Feeder(BatchFeeder[Processes, Batch]):
    """Reads a process' share of each batch of a data set, in the training's order."""

    def _read(self, indices: Indices) -> Batch:
        place, replicas = self._processes.place, self._processes.replicas
        shares = [global_batch(indices, replica, replicas, self._parts) for replica in self._processes.own_replicas]
        parts = []
        for number in range(len(shares[0].parts)):
            read = [as_arrays(read_batch(self.dataset, share.parts[number])) for share in shares]
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
