"""How well a model answers: accuracy and loss on a whole split."""

import time
from dataclasses import dataclass

import numpy as np

from trainwright_trainers.data import Array, Dataset, batches
from trainwright_trainers.evaluation.subject import Predict
from trainwright_trainers.runtime.errors import ConfigurationError


@dataclass(frozen=True)
class Quality:
    """How well a model answers."""

    loss: float
    """Mean over all targets: cross-entropy where they are classes, else the squared error."""

    accuracy: float | None
    """Share of targets that got the highest output; None where the targets are not classes."""

    samples_per_second: float
    """How fast the model went through the split, without the time to read the data."""

    top5_accuracy: float | None = None
    """Share of targets that are among the five highest outputs; None where the targets are not classes."""

    confusion: Array | None = None
    """[classes, classes]: how often a target (row) got an answer (column); None where the targets are not classes."""


def measure_quality(predict: Predict, dataset: Dataset, batch_size: int) -> Quality:
    """Accuracy and loss on the whole of `dataset`.

    Integer targets are classes: outputs [n, classes, ...] are unnormalized log-probabilities for targets [n, ...], as
    in PyTorch's CrossEntropyLoss. Other targets are compared with outputs of the same shape.

    Raises:
        ConfigurationError: outputs and targets don't fit together.
    """
    total, correct, near, loss, seconds = 0, 0, 0, 0.0, 0.0
    classes, confusion = True, np.zeros((0, 0), np.int64)
    for inputs, targets in batches(dataset, batch_size):
        start = time.perf_counter()
        outputs = predict(inputs).astype(np.float64)
        seconds += time.perf_counter() - start
        classes = np.issubdtype(targets.dtype, np.integer)
        _check(outputs, targets, classes)
        total += targets.size
        if classes:
            correct += int((outputs.argmax(axis=1) == targets).sum())
            own = np.take_along_axis(outputs, np.expand_dims(targets, 1), axis=1)
            near += int(((outputs > own).sum(axis=1) < 5).sum())
            confusion = confusion + _confusion(outputs, targets) if confusion.size else _confusion(outputs, targets)
            loss += float(cross_entropy(outputs, targets).sum())
        else:
            loss += float(((outputs - targets) ** 2).sum())
    speed = len(dataset) / seconds
    if not classes:
        return Quality(loss / total, None, speed)
    return Quality(loss / total, correct / total, speed, near / total, confusion)


def cross_entropy(logits: Array, targets: Array) -> Array:
    """Negative log-probability of each target: logits [n, classes, ...] and targets [n, ...] -> [n, ...]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    logarithms = np.log(np.exp(shifted).sum(axis=1))
    losses: Array = logarithms - np.take_along_axis(shifted, np.expand_dims(targets, 1), axis=1).squeeze(1)
    return losses


def _confusion(outputs: Array, targets: Array) -> Array:
    classes = outputs.shape[1]
    pairs = targets.astype(np.int64) * classes + outputs.argmax(axis=1)
    counts: Array = np.bincount(pairs.ravel(), minlength=classes * classes).reshape(classes, classes)
    return counts


def _check(outputs: Array, targets: Array, classes: bool) -> None:
    if not classes:
        if outputs.shape != targets.shape:
            raise ConfigurationError(f"the model gives outputs {outputs.shape} for targets {targets.shape}")
        return
    if outputs.ndim < 2 or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
        raise ConfigurationError(
            f"the model gives outputs {outputs.shape} for targets {targets.shape}; for classes it must give one output"
            " a class in the second dimension"
        )
    if targets.size and not 0 <= targets.min() <= targets.max() < outputs.shape[1]:
        raise ConfigurationError(
            f"the data's classes reach from {targets.min()} to {targets.max()}, the model has outputs for 0 to"
            f" {outputs.shape[1] - 1}"
        )
