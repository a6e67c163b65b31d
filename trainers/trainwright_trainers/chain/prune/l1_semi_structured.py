"""2:4 sparsity: of each four weights along a layer's inputs, the two smallest become zero, as GPUs can skip them.

Source: Mishra et al. 2021, https://arxiv.org/abs/2104.08378
"""

import numpy as np

from trainwright_trainers.chain.prune.method import Pruned, Subject, Target
from trainwright_trainers.chain.prune.zeroing import prunable_weights, without
from trainwright_trainers.data import Array
from trainwright_trainers.runtime.errors import ConfigurationError

GROUP = 4


def prune_l1_semi_structured(
    model: Subject,
    sample: Array,  # noqa: ARG001 - a method's form
    target: Target,
) -> Pruned[Subject]:
    """Zero the smallest weights of each group of four.

    Layers whose number of inputs is no multiple of four stay whole; the notes name them.

    Raises:
        ConfigurationError: that leaves nothing.
    """
    zeros, whole = {}, []
    for name, (weight, inputs) in prunable_weights(model).items():
        if inputs is None or weight.shape[inputs] % GROUP:
            whole.append(model.structure.labels.get(name, name))
        else:
            zeros[name] = smallest_of_four(weight, inputs, int(GROUP * target.amount))
    if not zeros:
        raise ConfigurationError(
            "prune.method l1-semi-structured needs linear or convolutional layers whose number of inputs is a multiple"
            " of 4; the model has none"
        )
    notes = [f"these weights stayed whole, as their number of inputs is no multiple of 4: {', '.join(whole)}"]
    return Pruned(without(model, zeros), zeros, notes if whole else [])


def smallest_of_four(weight: Array, inputs: int, count: int) -> Array:
    """Where the `count` smallest of each four weights along the dimension `inputs` are."""
    by_input = np.moveaxis(weight, inputs, -1)
    groups = np.abs(by_input.reshape(-1, GROUP))
    mask = np.zeros_like(groups, dtype=bool)
    np.put_along_axis(mask, np.argsort(groups, axis=1, kind="stable")[:, :count], True, axis=1)
    return np.moveaxis(mask.reshape(by_input.shape), -1, inputs)
