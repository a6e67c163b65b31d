"""Models that can't be trained in bf16."""

from typing import Any

from mxnet.gluon import nn


class Scaled(nn.HybridSequential):  # type: ignore[misc]
    """Does something that is not in its graph."""

    def forward(self, inputs: Any) -> Any:
        return super().forward(inputs / 16)


def scaled() -> Any:
    """A linear model whose inputs are scaled outside its graph."""
    model = Scaled()
    model.add(nn.Flatten(), nn.Dense(10))
    return model


def grouped() -> Any:
    """A model with a convolution in groups, whose gradients MXNet has no bf16 for."""
    model = nn.HybridSequential()
    model.add(nn.Conv2D(8, 3), nn.Conv2D(8, 3, groups=8), nn.Flatten(), nn.Dense(10))
    return model
