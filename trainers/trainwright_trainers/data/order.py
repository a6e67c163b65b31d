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
    if len(mine) == 0:  # it must take part in the others' communication, with weight zero
        return GlobalBatch([indices[:1]], [0.0], len(indices))
    parts = min(parts, len(mine))
    split = [mine[part_of(len(mine), index, parts)] for index in range(parts)]
    return GlobalBatch(split, [len(part) / len(indices) for part in split], len(indices))


def epoch_batches(seed: int, position: Position, total: int, batch_size: int) -> Iterator[Indices]:
    """The global batches from `position` to the end of its epoch; the last one may be smaller."""
    order = epoch_order(seed, position.epoch, total)
    for start in range(position.samples, total, batch_size):
        yield order[start : start + batch_size]
