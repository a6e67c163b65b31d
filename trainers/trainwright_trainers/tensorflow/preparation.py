"""From the user's configuration to what is trained, checked on a small batch."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainwright.api.steps import Train
from trainwright_trainers.chain.training import Wanted
from trainwright_trainers.data import Array, Arrays, Dataset, Splits, make_splits, read_batch
from trainwright_trainers.data.order import Position, steps_left
from trainwright_trainers.runtime.batches import check_batch_size
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.tensorflow.artifacts import fill
from trainwright_trainers.tensorflow.checkpointing import TrainingState
from trainwright_trainers.tensorflow.feeding import as_arrays
from trainwright_trainers.tensorflow.losses import SAME_SHAPE, cross_entropy, make_loss
from trainwright_trainers.tensorflow.networks import POLICIES, make_network
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
    if options.precision not in POLICIES:
        known = ", ".join(POLICIES)
        raise ConfigurationError(f"{field}.precision: TensorFlow trains in {known}, not in {options.precision}")
    loss = make_loss(options.loss, f"{field}.loss")
    splits = make_splits(step.configuration)
    check_batch_size(options, len(splits.train), processes.replicas, field)
    steps = steps_left(Position(), options.epochs, options.batch_size, len(splits.train))
    _read(splits.validation, 1, "validation")
    inputs, targets = _read(splits.train, min(SAMPLES, len(splits.train)), "train")
    keras.utils.set_random_seed(step.configuration.seed)
    with processes.strategy.scope():
        optimizer = make_optimizer(options, steps, field)
        model = make_network(wanted.factory, wanted.model_field, inputs, options.precision)
        if not model.trainable_variables:
            raise ConfigurationError(f"{wanted.model_field}: the model has no parameter to train")
        optimizer.build(model.trainable_variables)
    if wanted.source is not None:
        fill(model, wanted.source)
    objective = Objective(model, loss)
    _check(objective, inputs, targets, splits, wanted)
    return Prepared(wanted, splits, objective, TrainingState(model, optimizer), inputs)


def _read(dataset: Dataset, count: int, split: str) -> tuple[Array, Array]:
    try:
        batch = read_batch(dataset, range(count))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"spec.data.factory: samples of the {split} split must be (input, target) pairs of arrays with the same"
            f" shape in every sample: {error}"
        ) from error
    for name, array in zip(("inputs", "targets"), batch, strict=True):
        if array.dtype.kind not in "fiub":
            raise ConfigurationError(
                f"spec.data.factory: the {split} split's {name} must be numbers, they are {array.dtype}"
            )
    return as_arrays(batch)


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
        _check_labels(int(outputs.shape[1]), splits)
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


def _check_labels(classes: int, splits: Splits) -> None:
    """Labels out of range would else give a loss that is not a number."""
    for split, dataset in (("train", splits.train), ("validation", splits.validation)):
        if not isinstance(dataset, Arrays) or not np.issubdtype(dataset.targets.dtype, np.integer):
            continue
        low, high = int(dataset.targets.min()), int(dataset.targets.max())
        if low < 0 or high >= classes:
            raise ConfigurationError(
                f"spec.data: the {split} split's labels reach from {low} to {high}; spec.model has {classes} outputs,"
                f" for labels from 0 to {classes - 1}"
            )
