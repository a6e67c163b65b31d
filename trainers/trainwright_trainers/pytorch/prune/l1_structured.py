"""Removal of the channels with the least weights (Li et al. 2017, https://arxiv.org/abs/1608.08710)."""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from trainwright_trainers.data import Array
from trainwright_trainers.pytorch.artifacts import run
from trainwright_trainers.pytorch.channels import Cut, cut_channels, sides_of
from trainwright_trainers.pytorch.prune.method import Pruned, Target
from trainwright_trainers.pytorch.prune.tied_channels import strongest_channels
from trainwright_trainers.runtime.errors import ConfigurationError

TOLERANCE = 1e-3
"""How much a sum in another order may change an output, as a share of the largest one."""


def prune_l1_structured(model: nn.Module, sample: Array, target: Target) -> Pruned:
    """Remove a share of the channels, those with the least sum of weights' magnitudes.

    The share is each layer's, unless all layers are ranked together, each by its own mean.

    Channels that a shortcut adds to each other are ranked and removed together; every layer keeps one at least. The
    layers that make the model's output stay whole, and so do layers tied to a kind of layer that can't be cut: the
    notes name these.

    Raises:
        ConfigurationError: the model's structure can't be followed, or no channel can be removed.
    """
    try:
        cut, whole = strongest_channels(model, sample, target)
        wanted = run(without_inputs(model, cut), sample)
        cut_channels(model, cut)
        found = run(model, sample)
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ConfigurationError(f"{REFUSAL} ({str(error).partition(chr(10))[0]})") from error
    if not cut:
        raise ConfigurationError(f"prune.amount {target.amount} removes no channel of any layer of this model")
    if found.shape != wanted.shape or np.abs(found - wanted).max() > TOLERANCE * np.abs(wanted).max():
        raise ConfigurationError(f"{REFUSAL} (channels that do not belong together were tied together)")
    notes = [f"these layers kept all channels, as they are tied to a layer that can't be cut: {', '.join(whole)}"]
    return Pruned(cuts=[{name: kept.to_dict() for name, kept in cut.items()}], notes=notes if whole else [])


REFUSAL = "prune.method l1-structured can't follow this model's structure; l1-unstructured can prune it"
"""Torch-Pruning takes operations that it doesn't know for ones that leave every channel in its place. Where that is
wrong, layers lose channels that don't belong together: the model fails, or becomes another one without a word."""


def without_inputs(model: nn.Module, cut: Cut) -> nn.Module:
    """A copy of the model that has all channels but makes no use of those that `cut` removes.

    Cut rightly, the model gives the same outputs as this copy.
    """
    copy = deepcopy(model)
    for name, kept in cut.items():
        layer = copy.get_submodule(name)
        sides = sides_of(layer)
        if sides is not None and sides.inputs is not None and kept.inputs is not None:
            weight = layer.get_parameter("weight")
            gone = torch.ones(weight.shape[sides.inputs.dimension], dtype=torch.bool)
            gone[kept.inputs] = False
            with torch.no_grad():
                weight.transpose(0, sides.inputs.dimension)[gone] = 0
    return copy
