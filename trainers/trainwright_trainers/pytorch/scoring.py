"""Loss and accuracy on the validation split between epochs, each process measuring its share."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.api.steps import Precision
from trainwright_trainers.data.order import Indices
from trainwright_trainers.pytorch.feeding import Reader
from trainwright_trainers.pytorch.losses import Loss
from trainwright_trainers.pytorch.precision import casts
from trainwright_trainers.pytorch.processes import Processes
from trainwright_trainers.runtime.reporting import Score


def score(
    model: nn.Module, loss: Loss, reader: Reader, batch_size: int, precision: Precision, processes: Processes
) -> Score:
    """Measure the model, made the same in all processes first; collective. The model comes back in training mode."""
    processes.synchronize(model.buffers())
    total = torch.zeros(4, dtype=torch.float64, device=processes.device)  # loss, right answers, answers, samples
    model.eval()
    # Not in inference mode: a sharded model keeps weights that it gathered there, and can't train with them.
    with torch.no_grad(), casts(precision, processes.device):
        for samples, (inputs, targets) in zip(*_shares(reader, batch_size, processes), strict=True):
            outputs = model(inputs)
            processes.watch.beat()
            if not samples:
                continue
            total[0] += loss(outputs, targets) * len(inputs)
            total[3] += len(inputs)
            if not targets.is_floating_point() and outputs.ndim == targets.ndim + 1:
                total[1] += (outputs.argmax(dim=1) == targets).sum()
                total[2] += targets.numel()
    model.train()
    summed, right, answers, measured = processes.gather(total.cpu()).sum(dim=0).tolist()
    return Score(summed / measured, right / answers if answers else None)


def _shares(reader: Reader, batch_size: int, processes: Processes) -> tuple[list[int], Iterator[tuple[Tensor, Tensor]]]:
    """What this process measures: the sizes of its batches, and the batches.

    There are as many as in every other process, since each takes part in communication; one of size 0 holds a sample
    that is not to be counted.
    """
    total = len(reader.dataset)
    mine = np.arange(processes.rank, total, processes.size)
    shares = [mine[start : start + batch_size] for start in range(0, -(-total // processes.size), batch_size)]
    wanted: Iterator[Indices] = (share if len(share) else np.zeros(1, np.int64) for share in shares)
    return [len(share) for share in shares], reader.map(reader.read, wanted)
