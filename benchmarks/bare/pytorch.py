"""PyTorch: DistributedDataParallel, started by torchrun.

torchrun -m benchmarks.bare.pytorch
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from benchmarks.bare.task import BATCH, PROCESSES, RATE, note_step, samples
from benchmarks.ends import end_with_parent
from benchmarks.figures import COUNTED, count_figures


class Block(nn.Module):
    """Two convolutions and a shortcut: [n, channels, 8, 8] -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions found."""
        return torch.relu(x + self.layers(x))


class Timed(nn.Module):
    """A small residual network that notes when its training passes begin."""

    def __init__(self) -> None:
        super().__init__()
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
        self.network = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), *(Block(32) for _ in range(3)), *head)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 1, 8, 8] -> [n, 10]."""
        if self.training and len(x) == BATCH // PROCESSES:  # not the trainer's own trial
            note_step()
        logits: Tensor = self.network(x)
        return logits


def timed_model() -> nn.Module:
    """The trainer's model factory."""
    if os.environ.get(COUNTED):
        count_figures()
    torch.manual_seed(0)
    return Timed()


def train() -> None:
    """The loop."""
    dist.init_process_group("gloo")
    rank, share = dist.get_rank(), BATCH // PROCESSES
    inputs, targets = (torch.from_numpy(array) for array in samples()[0])
    model = DistributedDataParallel(timed_model())
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)  # as the trainer has it
    generator = torch.Generator().manual_seed(0)
    while True:  # until it is killed
        order = torch.randperm(len(inputs), generator=generator)
        for start in range(rank * share, len(inputs), BATCH):
            indices = order[start : start + share]
            loss = cross_entropy(model(inputs[indices]), targets[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


if __name__ == "__main__":
    end_with_parent()  # torchrun doesn't see to that
    train()
