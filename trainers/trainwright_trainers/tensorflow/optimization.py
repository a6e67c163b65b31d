"""Optimizers and learning-rate schedules by their names in Keras."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainwright.api.steps import Optimizer, Precision, Schedule, Train
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.suggestions import near_names

OPTIMIZERS: dict[str, Callable[..., Any]] = {
    name.lower(): getattr(keras.optimizers, name)
    for name in (
        *("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam", "RMSprop", "SGD"),
    )
}
"""By lower-case name; without Adafactor, which in Keras divides zero by zero where a unit's gradients are all zero."""

SCHEDULES: dict[str, Callable[..., Any]] = {
    name.lower(): getattr(keras.optimizers.schedules, name)
    for name in ("CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "PolynomialDecay")
}
"""By lower-case name; they start from the optimizer's learning rate."""

FILLED_IN = {"initial_learning_rate": "rate", "decay_steps": "steps", "first_decay_steps": "steps"}
"""Arguments of schedules that are filled in: with the learning rate, or with the number of optimizer steps."""

ELSEWHERE = {
    "learning_rate": "optimizer.learningRate",
    "weight_decay": "optimizer.weightDecay",
    "global_clipnorm": "gradientClipping",
    "gradient_accumulation_steps": "gradientAccumulation",
    "loss_scale_factor": "precision",
    "warmup_steps": "schedule.warmupSteps",
    "warmup_target": "schedule.warmupSteps",
}
"""Keras' arguments -> the field that says the same here."""


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to the learning rate, then follows a schedule."""

    def __init__(self, steps: int, rate: float, schedule: Any) -> None:
        super().__init__()
        self._steps, self._rate, self._schedule = steps, rate, schedule

    def __call__(self, step: Any) -> Any:
        """Learning rate of an optimizer step, counted from 0."""
        step = tf.cast(step, tf.float32)
        rising = self._rate * (step + 1) / self._steps
        return tf.where(step < self._steps, rising, self._schedule(step - self._steps))

    def get_config(self) -> dict[str, Any]:
        """What Keras asks of every schedule."""
        return {"steps": self._steps, "rate": self._rate, "schedule": self._schedule}


def make_optimizer(options: Train, steps: int, field: str) -> Any:
    """The optimizer with its schedule; gradients are clipped and accumulated elsewhere.

    Args:
        options: the training.
        steps: optimizer steps of the whole training.
        field: where the user wrote it, such as `spec.steps[train].train`.

    Raises:
        ConfigurationError: Keras has no such optimizer or schedule, or it doesn't take such arguments.
    """
    wanted = options.optimizer
    rate: Any = wanted.learning_rate
    if options.schedule is not None:
        rate = make_schedule(options.schedule, wanted.learning_rate, steps, f"{field}.schedule")
    return for_precision(optimizer_of(wanted, rate, f"{field}.optimizer"), options.precision)


def optimizer_of(options: Optimizer, rate: Any, field: str) -> Any:
    """The optimizer of that name with a learning rate or a schedule of it."""
    kind = _find(OPTIMIZERS, options.name, field)
    arguments = dict(options.args)
    if options.weight_decay is not None:
        arguments["weight_decay"] = options.weight_decay
    return _of_summed(_call(kind, field, options.args, learning_rate=rate, **arguments))


def for_precision(optimizer: Any, precision: Precision) -> Any:
    """The optimizer as it is or, in fp16, with a loss that is scaled, so that small gradients don't become zero.

    A step whose gradients overflow changes nothing but the scale, which is halved; after 2,000 steps without one it is
    doubled (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740).
    """
    return _of_summed(keras.optimizers.LossScaleOptimizer(optimizer)) if precision == "fp16" else optimizer


def _of_summed(optimizer: Any) -> Any:
    """Keras would sum the gradients over all devices here, after it has clipped them: they come summed."""
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs
    return optimizer


def make_schedule(options: Schedule, rate: float, steps: int, field: str) -> Any:
    """The schedule of that name, after the warm-up where there is one."""
    kind = _find(SCHEDULES, options.name, field)
    left = steps - options.warmup_steps
    if left <= 0:
        raise ConfigurationError(
            f"{field}.warmupSteps: {options.warmup_steps} steps of warm-up leave nothing of the training's {steps}"
        )
    values: dict[str, Any] = {"rate": rate, "steps": left}
    known = inspect.signature(kind).parameters
    arguments = {name: values[value] for name, value in FILLED_IN.items() if name in known}
    schedule = _call(kind, field, options.args, **(arguments | options.args))
    return WarmUp(options.warmup_steps, rate, schedule) if options.warmup_steps else schedule


def _find(known: dict[str, Any], name: str, field: str) -> Any:
    if name.lower() not in known:
        names = [kind.__name__ for kind in known.values()]
        raise ConfigurationError(f"{field}.name: Keras has no {name!r} that fits; {near_names(name, names)}")
    return known[name.lower()]


def _call(kind: Any, field: str, given: dict[str, Any], **arguments: Any) -> Any:
    for name in given:
        if name in ELSEWHERE:
            raise ConfigurationError(f"{field}.args.{name}: set {ELSEWHERE[name]} instead")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        takes = [name for name in inspect.signature(kind).parameters if name not in ("self", "kwargs")]
        raise ConfigurationError(f"{field}.args: {kind.__name__}: {reason}; it takes {', '.join(takes)}") from error
