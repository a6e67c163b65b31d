"""In which order samples are trained on, and which process takes which: pure arithmetic on seeds and counts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Position:
    """How far a training is in its data, counted in samples so that it holds for any number of processes."""

    epoch: int = 0
    """Whole passes done."""
    samples: int = 0
    """Samples of the present pass that are done."""

    def epochs(self, total: int) -> float:
        """Passes done over a split of `total` samples."""
        return self.epoch + self.samples / total

    def after(self, samples: int, total: int) -> "Position":
        """The position after `samples` more of a split of `total`."""
        done = self.samples + samples
        return Position(self.epoch + 1) if done >= total else Position(self.epoch, done)


def epoch_order(seed: int, epoch: int, total: int) -> Indices:
    """The order of an epoch's samples: a function of the seed and the epoch only."""
    return np.random.default_rng([seed, epoch]).permutation(total)


def steps_left(position: Position, epochs: int, batch_size: int, total: int) -> int:
    """Optimizer steps from `position` to the end of the last epoch; the last batch of an epoch may be smaller."""
    if position.epoch >= epochs:
        return 0
    whole_epochs = epochs - position.epoch - 1
    return -(-(total - position.samples) // batch_size) + whole_epochs * -(-total // batch_size)


@dataclass(frozen=True)
class Course:
    """How long a training is."""

    epochs: int
    batch_size: int
    """Samples of an optimizer step."""
    samples: int
    """Samples of the train split."""

    def steps_left(self, position: Position) -> int:
        """Optimizer steps from a position on."""
        return steps_left(position, self.epochs, self.batch_size, self.samples)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training."""
        return self.steps_left(Position())

    def steps_before(self, position: Position) -> int:
        """Optimizer steps that would have led to a position with this batch size."""
        return self.steps - self.steps_left(position)


def share(batch: Indices, rank: int, world_size: int) -> Indices:
    """The part of a global batch that a process takes: sizes differ by one at most, lower ranks have the larger."""
    return batch[part_of(len(batch), rank, world_size)]


def part_of(total: int, index: int, parts: int) -> slice:
    """Where the `index`-th of so many parts lies; sizes differ by one at most, the first parts have the larger."""
    size, larger = divmod(total, parts)
    start = index * size + min(index, larger)
    return slice(start, start + size + (index < larger))


@dataclass(frozen=True)
class GlobalBatch:
    """One optimizer step's samples, as one process sees them."""

    parts: list[Indices]
    """What this process computes on, one part after the other; never empty, so that every process takes part."""
    weights: list[float]
    """Share of each part in the global batch's mean."""
    samples: int
    """Samples of the global batch."""


def global_batch(indices: Indices, rank: int, world_size: int, parts: int) -> GlobalBatch:
    """Split a global batch: a share for each process, and each share into at most `parts` parts."""
    mine = share(indices, rank, world_size)
    parts = min(parts, -(-len(indices) // world_size))  # as many in every process: each takes part in communication
    split = [mine[part_of(len(mine), index, parts)] for index in range(parts)]
    weights = [len(part) / len(indices) for part in split]
    return GlobalBatch([part if len(part) else indices[:1] for part in split], weights, len(indices))


def epoch_batches(seed: int, position: Position, total: int, batch_size: int) -> Iterator[Indices]:
    """The global batches from `position` to the end of its epoch; the last one may be smaller."""
    order = epoch_order(seed, position.epoch, total)
    for start in range(position.samples, total, batch_size):
        yield order[start : start + batch_size]
