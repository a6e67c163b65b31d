"""Losses, by their names in torch or as the user's own."""

from collections.abc import Callable

from torch import Tensor, nn

from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import load_callable
from trainwright_trainers.runtime.suggestions import near_names

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) of a batch -> the mean over its samples, a scalar."""

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(inputs, outputs, targets) of a batch -> what is minimized, a mean over its samples, a scalar."""

LOSSES: dict[str, type[nn.Module]] = {
    name.lower(): getattr(nn, name)
    for name in (
        *("BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss"),
        *("MSELoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss"),
        *("PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss"),
    )
}
"""By lower-case name: those that compare one output with one target."""


def plain(loss: Loss) -> Objective:
    """The loss alone as what is minimized."""
    return lambda _inputs, outputs, targets: loss(outputs, targets)


def make_loss(name: str, field: str) -> Loss:
    """The loss of that name, or what `package.module:callable` names; a class is called once to make the loss.

    Args:
        name: what the user wrote.
        field: where, such as `spec.steps[train].train.loss`.

    Raises:
        ConfigurationError: there is no such loss.
    """
    if ":" in name:
        found = load_callable(name, field)
        return found() if isinstance(found, type) else found
    if name.lower() not in LOSSES:
        known = [kind.__name__ for kind in LOSSES.values()]
        raise ConfigurationError(
            f"{field}: torch.nn has no {name!r} of outputs and targets; {near_names(name, known)}"
            " (your own is written as package.module:callable)"
        )
    return LOSSES[name.lower()]()
