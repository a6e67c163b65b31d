"""From the user's configuration to what is trained, checked on a small batch."""

from dataclasses import dataclass, replace
from typing import Any

import mxnet as mx
import numpy as np

from trainwright.api.steps import Train
from trainwright_trainers.chain.preflight import check_labels, read_numbers
from trainwright_trainers.chain.training import Wanted
from trainwright_trainers.data import Array, Splits, make_splits
from trainwright_trainers.data.order import Position, steps_left
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.mxnet.artifacts import fill
from trainwright_trainers.mxnet.checkpointing import TrainingState
from trainwright_trainers.mxnet.losses import SAME_SHAPE, cross_entropy, make_loss
from trainwright_trainers.mxnet.networks import ERRORS, in_a_line, make_network, trained
from trainwright_trainers.mxnet.optimization import make_optimization
from trainwright_trainers.mxnet.precision import narrowed
from trainwright_trainers.mxnet.processes import Processes
from trainwright_trainers.mxnet.stepping import Objective, random_seed
from trainwright_trainers.mxnet.tensors import as_nd
from trainwright_trainers.runtime.batches import check_batch_size
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError

SAMPLES = 4
"""Samples of the batch that goes through."""


@dataclass(frozen=True)
class Prepared:
    """What the user's configuration became."""

    wanted: Wanted
    splits: Splits
    objective: Objective
    state: TrainingState
    sample: Array
    """Some inputs, [n, ...]."""
    device: Any
    """The mxnet.Context that it is trained on."""

    @property
    def options(self) -> Train:
        """How to train."""
        return self.wanted.options


def prepare(step: StepContext, processes: Processes, wanted: Wanted) -> Prepared:
    """Make everything that the configuration describes.

    Raises:
        ConfigurationError: something of it can't be made, or doesn't fit together.
    """
    options, field = wanted.options, wanted.field
    loss = make_loss(options.loss, f"{field}.loss")
    splits = make_splits(step.configuration)
    check_batch_size(options, len(splits.train), processes.size, field)
    steps = steps_left(Position(), options.epochs, options.batch_size, len(splits.train))
    read_numbers(splits.validation, 1, "validation")
    inputs, targets = read_numbers(splits.train, min(SAMPLES, len(splits.train)), "train")
    mx.random.seed(random_seed(step.configuration.seed))
    np.random.seed(random_seed(step.configuration.seed))  # MXNet's initializers draw from it
    model = make_network(wanted.factory, wanted.model_field, model_input(inputs), processes.device)
    if not trained(model):
        raise ConfigurationError(f"{wanted.model_field}: the model has no parameter to train")
    optimization = make_optimization(options, model, steps, field)
    if wanted.source is not None:
        fill(model, wanted.source)
    objective = Objective(model, loss)
    _check(objective, inputs, targets, splits, wanted, processes)
    sample = as_nd(inputs, processes.device)
    computing = narrowed(model, options.precision, sample, f"{field}.precision", wanted.model_field)
    objective = replace(objective, computing=computing)
    return Prepared(
        wanted, splits, objective, TrainingState(model, optimization), model_input(inputs), processes.device
    )


def _check(
    objective: Objective, inputs: Array, targets: Array, splits: Splits, wanted: Wanted, processes: Processes
) -> None:
    """Send a small batch through the model and the loss."""
    outputs = objective.model(as_nd(inputs, processes.device))
    if not isinstance(outputs, mx.nd.NDArray):
        raise ConfigurationError(
            f"{wanted.model_field}: the model must return one array, it returns {type(outputs).__name__}"
        )
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
        losses = objective.loss(outputs, as_nd(targets, processes.device))
        shape = list(losses.shape)
        losses.wait_to_read()
    except ERRORS as error:
        raise ConfigurationError(f"{where} can't compare {words}: {in_a_line(error)}") from error
    if shape[:1] != list(outputs.shape[:1]):
        raise ConfigurationError(
            f"{where} must return the loss of every sample, {list(outputs.shape[:1])}, as Gluon's do; it returns"
            f" {shape}"
        )
