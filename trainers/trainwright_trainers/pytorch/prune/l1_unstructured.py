"""Zeroing of the smallest weights (Han et al. 2015, https://arxiv.org/abs/1506.02626)."""

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import L1Unstructured

from trainwright_trainers.data import Array
from trainwright_trainers.pytorch.prune.method import Pruned, Target
from trainwright_trainers.pytorch.prune.weights import prunable_weights, zero


def prune_l1_unstructured(model: nn.Module, sample: Array, target: Target) -> Pruned:  # noqa: ARG001 - a method's form
    """Zero a share of the weights of linear and convolutional layers, those of least magnitude.

    The share is each layer's, unless all layers are ranked together: then one with small weights can lose nearly all
    of its own. Biases and normalization stay whole, so the model's sparsity is a little less. Weights that an earlier
    round has zeroed are the smallest, and count.

    Raises:
        ConfigurationError: the model has no such layer.
    """
    weights = prunable_weights(model)
    if target.everywhere:
        names, parts = list(weights), [weight.detach().flatten() for weight in weights.values()]
        flat = torch.split(smallest(torch.cat(parts), target.amount), [len(part) for part in parts])
        masks = {name: mask.view_as(weights[name]) for name, mask in zip(names, flat, strict=True)}
    else:
        masks = {name: smallest(weight.detach(), target.amount) for name, weight in weights.items()}
    zero(weights, masks)
    return Pruned(zeros=masks)


def smallest(values: Tensor, amount: float) -> Tensor:
    """Where the share `amount` of the values is, those of least magnitude."""
    kept: Tensor = L1Unstructured(amount).compute_mask(values, torch.ones_like(values))  # type: ignore[no-untyped-call]
    return kept == 0
