"""Zeroing of the smallest weights of each layer (Han et al. 2015, https://arxiv.org/abs/1506.02626)."""

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import L1Unstructured

from trainwright_trainers.data import Array
from trainwright_trainers.pytorch.prune.method import Pruned
from trainwright_trainers.runtime.errors import ConfigurationError

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
"""The layers whose weights are pruned."""


def prune_l1_unstructured(model: nn.Module, sample: Array, amount: float) -> Pruned:  # noqa: ARG001 - a method's form
    """Zero the share `amount` of the weights of every linear and convolutional layer, those of least magnitude.

    The share is taken of each layer and not of all weights together: ranked together, a layer with small weights
    would lose nearly all of its own. Biases and normalization stay whole, so the model's sparsity is a little less.

    Raises:
        ConfigurationError: the model has no such layer.
    """
    method = L1Unstructured(amount)
    zeros: dict[str, Tensor] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, LAYERS):
            kept: Tensor = method.compute_mask(layer.weight, torch.ones_like(layer.weight))  # type: ignore[no-untyped-call]
            mask = kept == 0
            zeros[f"{name}.weight" if name else "weight"] = mask
            with torch.no_grad():
                layer.weight[mask] = 0
    if not zeros:
        raise ConfigurationError("prune: the model has no linear or convolutional layer whose weights could be pruned")
    return Pruned(zeros=zeros)
