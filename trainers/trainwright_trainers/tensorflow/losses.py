"""Losses, by their names in Keras or as the user's own."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainwright_trainers.runtime.factories import find_loss

Loss = Callable[[Any, Any], Any]
"""(targets, outputs) of a batch, in Keras' order -> the loss of every sample, [n] or [n, ...]."""


def cross_entropy(targets: Any, outputs: Any) -> Any:
    """Of integer targets [n, ...] and logits [n, classes, ...]."""
    return keras.losses.sparse_categorical_crossentropy(targets, classes_last(outputs), from_logits=True)


def soft_cross_entropy(targets: Any, outputs: Any) -> Any:
    """Of target distributions and logits, both [n, classes, ...]."""
    return keras.losses.categorical_crossentropy(classes_last(targets), classes_last(outputs), from_logits=True)


def binary_cross_entropy(targets: Any, outputs: Any) -> Any:
    """Of targets from 0 to 1 and logits of the same shape."""
    return keras.losses.binary_crossentropy(targets, outputs, from_logits=True)


def classes_last(values: Any) -> Any:
    """[n, classes, ...] -> [n, ..., classes]: the other way round than Keras has it, as every framework's data here."""
    rank = len(values.shape)
    return values if rank < 3 else tf.transpose(values, [0, *range(2, rank), 1])


LOSSES: dict[str, Loss] = {
    "SparseCategoricalCrossentropy": cross_entropy,
    "CrossEntropyLoss": cross_entropy,
    "CategoricalCrossentropy": soft_cross_entropy,
    "BinaryCrossentropy": binary_cross_entropy,
    "BCEWithLogitsLoss": binary_cross_entropy,
    "MeanSquaredError": keras.losses.mean_squared_error,
    "MSELoss": keras.losses.mean_squared_error,
    "MeanAbsoluteError": keras.losses.mean_absolute_error,
    "L1Loss": keras.losses.mean_absolute_error,
    "Huber": keras.losses.huber,
    "LogCosh": keras.losses.log_cosh,
    "Hinge": keras.losses.hinge,
    "SquaredHinge": keras.losses.squared_hinge,
    "Poisson": keras.losses.poisson,
}
"""By Keras' name, the cross-entropies always of logits; those that a job names without regard to its framework also by
torch's."""
SAME_SHAPE = frozenset(LOSSES.values()) - {cross_entropy}
"""Those whose outputs and targets have the same shape."""


def make_loss(name: str, field: str) -> Loss:
    """The loss of that name, or what `package.module:callable` names; see `find_loss`."""
    return find_loss(name, field, LOSSES, ("Keras", "targets and outputs"))


def of_samples(losses: Any) -> Any:
    """[n, ...] -> the mean of every sample, [n] float32."""
    losses = tf.cast(losses, tf.float32)
    return tf.reduce_mean(tf.reshape(losses, [tf.shape(losses)[0], -1]), axis=1)
