"""Pruning in rounds, each with its fine-tuning: the weights that stay adapt to what went before more of them goes."""

from collections.abc import Iterator

from torch import nn

from trainwright.api.steps import Prune
from trainwright_trainers.chain.pruning import amounts
from trainwright_trainers.pytorch.channels import sides_of
from trainwright_trainers.pytorch.prune.method import Target


def targets(model: nn.Module, options: Prune) -> Iterator[Target]:
    """What is to be gone after each round."""
    before = channel_counts(model)
    for amount in amounts(options):
        yield Target(amount, options.scope == "global", before)


def channel_counts(model: nn.Module) -> dict[str, int]:
    """The output channels of each layer that can be cut, by its name."""
    layers = {name: (layer, sides_of(layer)) for name, layer in model.named_modules()}
    return {name: getattr(layer, sides.outputs.counts[0]) for name, (layer, sides) in layers.items() if sides}
