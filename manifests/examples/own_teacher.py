"""A teacher that is no network: ridge regression on how near an image is to each image of the training data."""

import torch
from torch import Tensor, nn

from trainwright_trainers.data import digits

NEAR = 2.0
"""Distance at which an image still counts as near another one."""
RIDGE = 1e-3
SHARPNESS = 10.0
"""Regression answers 0 or 1; as logits, these would be next to no opinion."""


class Kernel(nn.Module):
    """[n, 1, 8, 8] -> logits [n, 10]."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        super().__init__()
        self.register_buffer("images", images.flatten(1).double())
        likeness = self.likeness(images)
        wanted = nn.functional.one_hot(labels, 10).double()
        solved = torch.linalg.solve(likeness + RIDGE * torch.eye(len(images)), wanted)
        self.register_buffer("weights", solved)

    def likeness(self, x: Tensor) -> Tensor:
        """To each image of the training data, [n, images]."""
        return torch.exp(-torch.cdist(x.flatten(1).double(), self.images).square() / NEAR**2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, in the precision of the inputs."""
        return SHARPNESS * (self.likeness(x) @ self.weights).to(x.dtype)


def kernel() -> nn.Module:
    """The teacher, with all that it knows."""
    train = digits().train
    samples = [train[index] for index in range(len(train))]
    images = torch.stack([torch.as_tensor(image) for image, _ in samples])
    return Kernel(images, torch.tensor([int(label) for _, label in samples]))
