"""Batches as arrays on the devices, read by this process only as far as they are its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np

from trainwright_trainers.data import Array, Arrays, Dataset, read_batch
from trainwright_trainers.data.ahead import ReadAhead
from trainwright_trainers.data.order import Indices, Position, epoch_batches, part_of, share
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.jax.processes import Processes


@dataclass(frozen=True)
class Batch:
    """One optimizer step's samples, spread over all devices: each array is [shares, parts, samples, ...]."""

    inputs: jax.Array
    targets: jax.Array
    weights: jax.Array
    """Share of each sample in the global batch's mean; 0 for one that only fills up its part."""
    samples: int
    """Samples of the global batch."""


class Feeder:
    """Reads the batches of a data set in the training's order."""

    def __init__(self, dataset: Dataset, processes: Processes, *, seed: int, batch_size: int, parts: int) -> None:
        self.dataset = dataset
        self._processes = processes
        self._seed = seed
        self._batch_size = batch_size
        self._parts = parts
        self._weights: dict[int, jax.Array] = {}
        self._ahead = None if isinstance(dataset, Arrays) else ReadAhead()

    def epoch(self, position: Position) -> Iterator[Batch]:
        """The batches from `position` to the end of its epoch."""
        wanted = epoch_batches(self._seed, position, len(self.dataset), self._batch_size)
        return map(self._read, wanted) if self._ahead is None else self._ahead.map(self._read, wanted)

    def _read(self, indices: Indices) -> Batch:
        """All devices compute on as many samples, since they run one program: some may get a sample twice."""
        count = self._processes.shares
        size = -(-len(indices) // (count * self._parts))
        shares = [share(indices, number, count) for number in self._processes.own_shares]
        padded = np.stack([np.resize(mine if len(mine) else indices[:1], self._parts * size) for mine in shares])
        inputs, targets = as_arrays(read_batch(self.dataset, padded.ravel()))
        shape = len(shares), self._parts, size
        return Batch(
            inputs=self._place(inputs, shape),
            targets=self._place(targets, shape),
            weights=self._weights_of(len(indices), shape),
            samples=len(indices),
        )

    def _weights_of(self, samples: int, shape: tuple[int, int, int]) -> jax.Array:
        """The weights of a global batch of so many samples: kept, since they are those of most batches."""
        if samples not in self._weights:
            weights = np.zeros((shape[0], shape[1] * shape[2]), np.float32)
            for row, place in zip(weights, self._processes.own_shares, strict=True):
                own = part_of(samples, place, self._processes.shares)
                row[: own.stop - own.start] = 1 / samples
            self._weights[samples] = self._place(weights.ravel(), shape)
        return self._weights[samples]

    def _place(self, own: Array, shape: tuple[int, int, int]) -> jax.Array:
        return self._processes.spread_rows(own.reshape(*shape, *own.shape[1:]))


def as_arrays(batch: tuple[Array, Array]) -> tuple[Array, Array]:
    """(inputs, targets): float64 becomes float32, integer targets become int32."""
    inputs, targets = batch
    if targets.dtype.kind in "iu":
        return model_input(inputs), targets.astype(np.int32)
    return model_input(inputs), model_input(targets)
