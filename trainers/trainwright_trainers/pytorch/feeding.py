"""Batches as tensors on the device, read by this process only as far as they are its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from trainwright_trainers.data import Array, Arrays, Dataset, read_batch
from trainwright_trainers.data.ahead import ReadAhead
from trainwright_trainers.data.order import GlobalBatch, Indices, Position, epoch_batches, global_batch
from trainwright_trainers.pytorch.processes import Processes

Wanted = TypeVar("Wanted")
Read = TypeVar("Read")


@dataclass(frozen=True)
class Part:
    """What is computed on at once."""

    inputs: Tensor
    targets: Tensor
    weight: float
    """Its share in the mean over the global batch."""


@dataclass(frozen=True)
class Batch:
    """This process' parts of one optimizer step's samples."""

    parts: list[Part]
    samples: int
    """Samples of the global batch, over all processes."""


class Reader:
    """Reads what a data set holds onto a device: ahead of its use, in threads, where reading takes time."""

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self.dataset = dataset
        self.device = device
        at_once = isinstance(dataset, Arrays) and device.type == "cpu"
        self._ahead = None if at_once else ReadAhead()

    def read(self, indices: Indices) -> tuple[Tensor, Tensor]:
        """The samples as (inputs, targets) on the device."""
        return tensors(read_batch(self.dataset, indices), self.device)

    def map(self, read: Callable[[Wanted], Read], wanted: Iterator[Wanted]) -> Iterator[Read]:
        """What `read` gives for each of what is wanted, in that order."""
        return map(read, wanted) if self._ahead is None else self._ahead.map(read, wanted)


class Feeder:
    """Reads the batches of a data set in the training's order."""

    def __init__(self, dataset: Dataset, processes: Processes, *, seed: int, batch_size: int, parts: int) -> None:
        self.dataset = dataset
        self._processes = processes
        self._seed = seed
        self._batch_size = batch_size
        self._parts = parts
        self._reader = Reader(dataset, processes.device)

    def epoch(self, position: Position) -> Iterator[Batch]:
        """The batches from `position` to the end of its epoch."""
        mine = (
            global_batch(indices, self._processes.rank, self._processes.size, self._parts)
            for indices in epoch_batches(self._seed, position, len(self.dataset), self._batch_size)
        )
        return self._reader.map(self._read, mine)

    def _read(self, batch: GlobalBatch) -> Batch:
        parts = [
            Part(*self._reader.read(indices), weight)
            for indices, weight in zip(batch.parts, batch.weights, strict=True)
        ]
        return Batch(parts, batch.samples)


def tensors(batch: tuple[Array, Array], device: torch.device) -> tuple[Tensor, Tensor]:
    """(inputs, targets) on the device: float64 becomes float32, integer targets become int64."""
    inputs, targets = batch
    if targets.dtype.kind in "iu":
        targets = targets.astype(np.int64, copy=False)
    return _tensor(inputs, device), _tensor(targets, device)


def _tensor(array: Array, device: torch.device) -> Tensor:
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
