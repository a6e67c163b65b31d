"""Pruning in rounds, each with its fine-tuning: the weights that stay adapt to what went before more of them goes."""

from collections.abc import Iterator

from torch import nn

from trainwright.api.steps import Prune
from trainwright_trainers.pytorch.channels import sides_of
from trainwright_trainers.pytorch.prune.method import Target


def targets(model: nn.Module, options: Prune) -> Iterator[Target]:
    """What is to be gone after each round: of what is left, each takes the same share (Renda et al. 2020).

    Source: https://arxiv.org/abs/2003.02389
    """
    before = channel_counts(model)
    for number in range(1, options.iterations + 1):
        last = number == options.iterations
        amount = options.amount if last else 1 - (1 - options.amount) ** (number / options.iterations)
        yield Target(amount, options.scope == "global", before)


def channel_counts(model: nn.Module) -> dict[str, int]:
    """The output channels of each layer that can be cut, by its name."""
    layers = {name: (layer, sides_of(layer)) for name, layer in model.named_modules()}
    return {name: getattr(layer, sides.outputs.counts[0]) for name, (layer, sides) in layers.items() if sides}
