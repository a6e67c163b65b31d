"""From the user's configuration to what is trained, checked on a small batch."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from trainwright.api.steps import Train
from trainwright_trainers.chain.preflight import check_labels, read_numbers
from trainwright_trainers.chain.training import Wanted
from trainwright_trainers.data import Array, Splits, make_splits
from trainwright_trainers.data.order import Position, steps_left
from trainwright_trainers.runtime.batches import check_batch_size
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.tensorflow.artifacts import filled
from trainwright_trainers.tensorflow.checkpointing import TrainingState
from trainwright_trainers.tensorflow.feeding import as_arrays
from trainwright_trainers.tensorflow.losses import SAME_SHAPE, cross_entropy, make_loss
from trainwright_trainers.tensorflow.networks import make_network, own_statistics
from trainwright_trainers.tensorflow.optimization import make_optimizer
from trainwright_trainers.tensorflow.processes import Processes
from trainwright_trainers.tensorflow.stepping import Objective

SAMPLES = 4
"""Samples of the batch that goes through."""
ERRORS = (TypeError, ValueError, IndexError, KeyError, AttributeError, tf.errors.InvalidArgumentError)
"""What losses raise for shapes and types that don't fit."""


@dataclass(frozen=True)
class Prepared:
    """What the user's configuration became."""

    wanted: Wanted
    splits: Splits
    objective: Objective
    state: TrainingState
    sample: Array
    """Some inputs, [n, ...]."""
    notes: list[str]
    """What the user should know."""

    @property
    def options(self) -> Train:
        """How to train."""
        return self.wanted.options


def prepare(step: StepContext, processes: Processes, wanted: Wanted) -> Prepared:
    """Make everything that the configuration describes; collective.

    Raises:
        ConfigurationError: something of it can't be made, or doesn't fit together.
    """
    options, field = wanted.options, wanted.field
    loss = make_loss(options.loss, f"{field}.loss")
    splits = make_splits(step.configuration)
    check_batch_size(options, len(splits.train), processes.replicas, field)
    steps = steps_left(Position(), options.epochs, options.batch_size, len(splits.train))
    read_numbers(splits.validation, 1, "validation")
    inputs, targets = as_arrays(read_numbers(splits.train, min(SAMPLES, len(splits.train)), "train"))
    keras.utils.set_random_seed(step.configuration.seed)
    with processes.strategy.scope():
        optimizer = make_optimizer(options, steps, field)
        model = make_network(wanted.factory, wanted.model_field, inputs, options.precision)
        if not model.trainable_variables:
            raise ConfigurationError(f"{wanted.model_field}: the model has no parameter to train")
        if wanted.source is not None:
            model = filled(model, wanted.source, inputs)
        optimizer.build(model.trainable_variables)
    objective = Objective(model, loss)
    _check(objective, inputs, targets, splits, wanted)
    notes = _notes(model, processes, wanted.model_field)
    return Prepared(wanted, splits, objective, TrainingState(model, optimizer), inputs, notes)


def _notes(model: Any, processes: Processes, field: str) -> list[str]:
    """What the user should know of the model."""
    names = own_statistics(model)
    if processes.replicas == 1 or not names:
        return []
    return [
        f"{field}: batch normalization in {', '.join(names)} goes over each device's own samples, so the training"
        " depends on the number of devices; with BatchNormalization(synchronized=True) it goes over those of all"
    ]


def _check(objective: Objective, inputs: Array, targets: Array, splits: Splits, wanted: Wanted) -> None:
    """Send a small batch through the model and the loss."""
    outputs: Any = objective.model(inputs, training=False)
    if not tf.is_tensor(outputs):
        raise ConfigurationError(
            f"{wanted.model_field}: the model must return one tensor, it returns {type(outputs).__name__}"
        )
    outputs = tf.cast(outputs, tf.float32)
    where = f"{wanted.field}.loss"
    words = (
        f"the outputs of {wanted.model_field}, {list(outputs.shape)}, with the targets of spec.data,"
        f" {list(targets.shape)} {targets.dtype}"
    )
    if objective.loss in SAME_SHAPE and tuple(outputs.shape) != targets.shape:
        raise ConfigurationError(f"{where} can't compare {words}: both must have the same shape")
    if objective.loss is cross_entropy:
        check_labels(splits, int(outputs.shape[1]))
    try:
        losses = objective.loss(tf.convert_to_tensor(targets), outputs)
    except ERRORS as error:
        raise ConfigurationError(
            f"{where} can't compare {words}: {str(error).strip().partition(chr(10))[0]}"
        ) from error
    if not tf.is_tensor(losses) or losses.shape[:1] != outputs.shape[:1]:
        got = list(losses.shape) if tf.is_tensor(losses) else type(losses).__name__
        raise ConfigurationError(
            f"{where} must return the loss of every sample, {list(outputs.shape[:1])}, as Keras' functions do; it"
            f" returns {got}"
        )
