"""Zeroing single weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainwright_trainers.runtime.errors import ConfigurationError

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
"""The layers whose weights are pruned."""


def prunable_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of every linear and convolutional layer, by the parameter's name.

    Raises:
        ConfigurationError: the model has no such layer.
    """
    found = {
        f"{name}.weight".lstrip("."): layer.weight for name, layer in model.named_modules() if isinstance(layer, LAYERS)
    }
    if not found:
        raise ConfigurationError("prune: the model has no linear or convolutional layer whose weights could be pruned")
    return found


@torch.no_grad()
def zero(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Zero each weight where its mask is true."""
    for name, mask in masks.items():
        weights[name].masked_fill_(mask, 0)
