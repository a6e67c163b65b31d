"""What can be found out about the user's model, data and loss without computing: only shapes and types go through."""

from collections.abc import Callable
from typing import Any

import jax
from flax.errors import FlaxError

from trainwright_trainers.chain.preflight import check_labels, read_numbers
from trainwright_trainers.data import Array, Splits
from trainwright_trainers.jax.feeding import as_arrays
from trainwright_trainers.jax.losses import SAME_SHAPE, cross_entropy
from trainwright_trainers.jax.networks import Variables
from trainwright_trainers.jax.stepping import Objective
from trainwright_trainers.jax.trees import flatten
from trainwright_trainers.runtime.errors import ConfigurationError

SAMPLES = 4
"""Samples of the batch that goes through."""
ERRORS = (TypeError, ValueError, IndexError, KeyError, AttributeError, FlaxError)
"""What models and losses raise for shapes and types that don't fit."""


def first_batch(splits: Splits) -> tuple[Array, Array]:
    """The first training samples, after both splits were found to hold numbers."""
    read_numbers(splits.validation, 1, "validation")
    return as_arrays(read_numbers(splits.train, min(SAMPLES, len(splits.train)), "train"))


def check_parameters(variables: Variables, field: str) -> None:
    """Refuse a model that has nothing to train, or something that can't be."""
    leaves = jax.tree.leaves(variables.parameters)
    if not leaves:
        raise ConfigurationError(f"{field}: the model has no parameter to train")
    for leaf in leaves:
        if not jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating):
            raise ConfigurationError(f"{field}: parameters must be floating-point numbers, one is {leaf.dtype}")


def initialize(
    initialization: Callable[..., Variables], key: jax.Array, inputs: Array, field: str = "spec.model"
) -> Variables:
    """The model's initial variables; a ConfigurationError when it can't take such inputs."""
    try:
        return initialization(key, inputs)
    except ERRORS as error:
        raise ConfigurationError(
            f"{field} can't take a batch of spec.data, {_words(inputs)}: {_line(error)}"
        ) from error


def check(objective: Objective, variables: Variables, splits: Splits, field: str, model_field: str) -> None:
    """Send a small batch through the model and the loss.

    Raises:
        ConfigurationError: model, data and loss don't fit together.
    """
    inputs, targets = first_batch(splits)

    def forward(variables: Variables, inputs: Any) -> Any:
        return objective.forward(variables, inputs, training=True, key=jax.random.key(0))

    try:
        outputs, state = jax.eval_shape(forward, variables, inputs)
    except ERRORS as error:
        raise ConfigurationError(
            f"{model_field} can't compute in {objective.precision} on a batch of spec.data, {_words(inputs)}:"
            f" {_line(error)}"
        ) from error
    if not isinstance(outputs, jax.ShapeDtypeStruct):
        raise ConfigurationError(f"{model_field}: the model must return one array, it returns {type(outputs).__name__}")
    if flatten(state).keys() != flatten(variables.state).keys():
        raise ConfigurationError(f"{model_field}: the model's state changes its form as it is trained")
    if objective.loss is cross_entropy and outputs.ndim >= 2:
        check_labels(splits, outputs.shape[1])
    _check_loss(objective, outputs, targets, f"{field}.loss")


def _check_loss(objective: Objective, outputs: jax.ShapeDtypeStruct, targets: Array, name: str) -> None:
    if outputs.shape != targets.shape and objective.loss in SAME_SHAPE:
        raise ConfigurationError(
            f"{name} would spread the targets of spec.data, {_words(targets)}, over the outputs of spec.model,"
            f" {_words(outputs)}: both must have the same shape"
        )
    try:
        losses = jax.eval_shape(objective.loss, outputs, targets)
    except (*ERRORS, AssertionError) as error:
        raise ConfigurationError(
            f"{name} can't compare the outputs of spec.model, {_words(outputs)}, with the targets of spec.data,"
            f" {_words(targets)}: {_line(error)}"
        ) from error
    if not isinstance(losses, jax.ShapeDtypeStruct) or losses.shape[:1] != outputs.shape[:1]:
        got = _words(losses) if isinstance(losses, jax.ShapeDtypeStruct) else type(losses).__name__
        raise ConfigurationError(
            f"{name} must return the loss of every sample, {list(outputs.shape[:1])}, as optax's losses do; it"
            f" returns {got}"
        )


def _words(array: Any) -> str:
    return f"{list(array.shape)} {array.dtype}"


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
