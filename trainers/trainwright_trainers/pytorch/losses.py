"""Losses, by their names in torch or as the user's own."""

from collections.abc import Callable

from torch import Tensor, nn

from trainwright_trainers.runtime.factories import find_loss

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) of a batch -> the mean over its samples, a scalar."""

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(inputs, outputs, targets) of a batch -> what is minimized, a mean over its samples, a scalar."""

LOSSES: dict[str, type[nn.Module]] = {
    name: getattr(nn, name)
    for name in (
        *("BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss"),
        *("MSELoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss"),
        *("PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss"),
    )
}
"""By name: those that compare one output with one target."""


def plain(loss: Loss) -> Objective:
    """The loss alone as what is minimized."""
    return lambda _inputs, outputs, targets: loss(outputs, targets)


def make_loss(name: str, field: str) -> Loss:
    """The loss of that name, or what `package.module:callable` names; see `find_loss`.

    A class is called once to make the loss.
    """
    found = find_loss(name, field, LOSSES, ("torch.nn", "outputs and targets"))
    return found() if isinstance(found, type) else found
