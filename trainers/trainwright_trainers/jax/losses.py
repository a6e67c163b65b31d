"""Losses, by their names in optax or as the user's own."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from trainwright_trainers.runtime.factories import find_loss

Loss = Callable[[jax.Array, jax.Array], jax.Array]
"""(outputs, targets) of a batch -> the loss of every sample, [n] or [n, ...], as optax's losses give it."""


def cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Of logits [n, classes, ...] and integer targets [n, ...]."""
    return optax.softmax_cross_entropy_with_integer_labels(jnp.moveaxis(outputs, 1, -1), targets)


def soft_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Of logits and target distributions, both [n, classes, ...]."""
    return optax.softmax_cross_entropy(jnp.moveaxis(outputs, 1, -1), jnp.moveaxis(targets, 1, -1))


CLASSES = "softmax_cross_entropy_with_integer_labels"
LOSSES: dict[str, Loss] = {
    CLASSES: cross_entropy,
    "CrossEntropyLoss": cross_entropy,
    "softmax_cross_entropy": soft_cross_entropy,
    "squared_error": optax.squared_error,
    "MSELoss": optax.squared_error,
    "l2_loss": optax.l2_loss,
    "huber_loss": optax.huber_loss,
    "log_cosh": optax.log_cosh,
    "sigmoid_binary_cross_entropy": optax.sigmoid_binary_cross_entropy,
    "BCEWithLogitsLoss": optax.sigmoid_binary_cross_entropy,
    "hinge_loss": optax.hinge_loss,
}
"""By optax's name; those that a job names without regard to its framework also by torch's."""
SAME_SHAPE = frozenset(LOSSES.values()) - {cross_entropy}
"""Those whose outputs and targets have the same shape."""


def make_loss(name: str, field: str) -> Loss:
    """The loss of that name, or what `package.module:callable` names; see `find_loss`."""
    return find_loss(name, field, LOSSES, ("optax", "outputs and targets"))


def of_samples(losses: jax.Array) -> jax.Array:
    """[n, ...] -> the mean of every sample, [n] float32."""
    return losses.astype(jnp.float32).reshape(len(losses), -1).mean(axis=1)
