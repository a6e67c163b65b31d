"""Model factories of these tests: a right one, and some that converters get wrong."""

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """One linear layer on flattened digits."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        """[batch, 1, 8, 8] -> [batch, 10]."""
        out: Tensor = self.fc(image.flatten(1))
        return out


class FixedBatch(Linear):
    """Its own code fixes the batch size when it is traced; the exporter does so without a word."""

    def forward(self, image: Tensor) -> Tensor:
        """[batch, 1, 8, 8] -> [batch, 10]."""
        out: Tensor = self.fc(image.reshape(int(image.shape[0]), 64)) + torch.zeros(int(image.shape[0]), 10)
        return out


class Branching(Linear):
    """The way through it depends on the numbers in the batch."""

    def forward(self, image: Tensor) -> Tensor:
        """[batch, 1, 8, 8] -> [batch, 10]."""
        out: Tensor = self.fc(image.flatten(1))
        return out if out.sum() > 0 else -out
