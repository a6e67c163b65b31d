"""Zeroing of the smallest weights (Han et al. 2015, https://arxiv.org/abs/1506.02626)."""

import numpy as np

from trainwright_trainers.chain.prune.method import Pruned, Subject, Target
from trainwright_trainers.chain.prune.zeroing import prunable_weights, without
from trainwright_trainers.data import Array


def prune_l1_unstructured(
    model: Subject,
    sample: Array,  # noqa: ARG001 - a method's form
    target: Target,
) -> Pruned[Subject]:
    """Zero a share of the weights of linear and convolutional layers, those of least magnitude.

    The share is each layer's, unless all layers are ranked together: then one with small weights can lose nearly all
    of its own. Biases and normalization stay whole, so the model's sparsity is a little less. Weights that an earlier
    round has zeroed are the smallest, and count.

    Raises:
        ConfigurationError: the model has no such layer.
    """
    weights = {name: weight for name, (weight, _) in prunable_weights(model).items()}
    if target.everywhere:
        flat = smallest(np.concatenate([weight.ravel() for weight in weights.values()]), target.amount)
        ends = np.cumsum([weight.size for weight in weights.values()])[:-1]
        parts = zip(weights.items(), np.split(flat, ends), strict=True)
        zeros = {name: part.reshape(weight.shape) for (name, weight), part in parts}
    else:
        zeros = {name: smallest(weight, target.amount) for name, weight in weights.items()}
    return Pruned(without(model, zeros), zeros)


def smallest(values: Array, amount: float) -> Array:
    """Where the share `amount` of the values is, those of least magnitude."""
    mask = np.zeros(values.size, bool)
    mask[np.argsort(np.abs(values), axis=None, kind="stable")[: round(amount * values.size)]] = True
    return mask.reshape(values.shape)
