"""Losses, by their names in Gluon or as the user's own."""

from collections.abc import Callable
from typing import Any

from mxnet import gluon

from trainwright_trainers.runtime.factories import find_loss

Loss = Callable[[Any, Any], Any]
"""(outputs, targets) of a batch -> the loss of every sample, [n] or [n, ...]."""

cross_entropy: Loss = gluon.loss.SoftmaxCrossEntropyLoss(axis=1)
"""Of logits [n, classes, ...] and integer targets [n, ...]."""
binary_cross_entropy: Loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
"""Of logits and targets from 0 to 1 of the same shape."""
squared: Loss = gluon.loss.L2Loss(weight=2)
"""The squared difference; Gluon's own L2Loss is half of it."""

LOSSES: dict[str, Loss] = {
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "SoftmaxCELoss": cross_entropy,
    "CrossEntropyLoss": cross_entropy,
    "SigmoidBinaryCrossEntropyLoss": binary_cross_entropy,
    "SigmoidBCELoss": binary_cross_entropy,
    "BCEWithLogitsLoss": binary_cross_entropy,
    "L2Loss": gluon.loss.L2Loss(),
    "MSELoss": squared,
    "L1Loss": gluon.loss.L1Loss(),
    "HuberLoss": gluon.loss.HuberLoss(),
    "HingeLoss": gluon.loss.HingeLoss(),
    "SquaredHingeLoss": gluon.loss.SquaredHingeLoss(),
    "LogisticLoss": gluon.loss.LogisticLoss(),
    "PoissonNLLLoss": gluon.loss.PoissonNLLLoss(),
}
"""By Gluon's name; those that a job names without regard to its framework also by torch's."""
SAME_SHAPE = frozenset(LOSSES.values()) - {cross_entropy}
"""Those whose outputs and targets have the same shape."""


def make_loss(name: str, field: str) -> Loss:
    """The loss of that name, or what `package.module:callable` names; see `find_loss`."""
    return find_loss(name, field, LOSSES, ("Gluon", "outputs and targets"))


def of_samples(losses: Any) -> Any:
    """[n, ...] -> the mean of every sample, [n] float32."""
    flat = losses.astype("float32").reshape((losses.shape[0], -1))
    return flat.mean(axis=1)
