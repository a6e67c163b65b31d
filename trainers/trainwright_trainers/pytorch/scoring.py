"""Loss and accuracy on the validation split between epochs, each process measuring its share."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

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
    with torch.inference_mode(), casts(precision, processes.device):
        for inputs, targets in reader.map(reader.read, _share(len(reader.dataset), batch_size, processes)):
            outputs = model(inputs)
            total[0] += loss(outputs, targets) * len(inputs)
            total[3] += len(inputs)
            if not targets.is_floating_point() and outputs.ndim == targets.ndim + 1:
                total[1] += (outputs.argmax(dim=1) == targets).sum()
                total[2] += targets.numel()
    model.train()
    summed, right, answers, samples = processes.gather(total.cpu()).sum(dim=0).tolist()
    return Score(summed / samples, right / answers if answers else None)


def _share(total: int, batch_size: int, processes: Processes) -> Iterator[Indices]:
    mine = np.arange(processes.rank, total, processes.size)
    return (mine[start : start + batch_size] for start in range(0, len(mine), batch_size))
