"""Zeroing of two of each four weights, which NVIDIA's sparse tensor cores skip (https://arxiv.org/abs/2104.08378)."""

import torch
from torch import Tensor, nn

from trainwright_trainers.data import Array
from trainwright_trainers.pytorch.prune.method import Pruned, Target
from trainwright_trainers.pytorch.prune.weights import prunable_weights, zero
from trainwright_trainers.runtime.errors import ConfigurationError

GROUP = 4
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def prune_l1_semi_structured(model: nn.Module, sample: Array, target: Target) -> Pruned:  # noqa: ARG001 - a method's form
    """Zero the smaller two of each four weights that follow each other along a layer's inputs; fewer in a round before.

    Layers whose number of inputs is no multiple of four stay whole, as do transposed convolutions: the notes name them.

    Raises:
        ConfigurationError: no layer of the model can be pruned so.
    """
    weights, masks, whole = prunable_weights(model), {}, []
    for name, weight in weights.items():
        layer = model.get_submodule(name.rpartition(".")[0])
        if weight.shape[1] % GROUP or isinstance(layer, TRANSPOSED):
            whole.append(name)
        else:
            masks[name] = smallest_of_four(weight.detach(), int(GROUP * target.amount))
    if not masks:
        raise ConfigurationError(
            "prune.method l1-semi-structured needs linear or convolutional layers whose number of inputs is a multiple"
            " of 4; the model has none"
        )
    zero(weights, masks)
    notes = [f"these weights stayed whole, as their number of inputs is no multiple of 4: {', '.join(whole)}"]
    return Pruned(zeros=masks, notes=notes if whole else [])


def smallest_of_four(weight: Tensor, count: int) -> Tensor:
    """Where the `count` smallest of each four weights [outputs, inputs, ...] along the inputs are."""
    by_input = weight.movedim(1, -1)
    groups = by_input.reshape(-1, GROUP).abs()
    mask = torch.zeros_like(groups, dtype=torch.bool)
    mask.scatter_(1, groups.argsort(dim=1, stable=True)[:, :count], value=True)
    return mask.view(by_input.shape).movedim(-1, 1)
