"""Optimizers and learning-rate schedules by their names in optax."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import optax

from trainwright.api.steps import Optimizer, Schedule, Train
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.suggestions import near_names

OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    name: getattr(optax, name)
    for name in (
        *("adabelief", "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan"),
        *("amsgrad", "lamb", "lars", "lion", "nadam", "nadamw", "novograd", "radam", "rmsprop", "sgd", "yogi"),
    )
}
"""By name; those that need nothing but gradients and parameters, and take a schedule as rate (rprop and sm3 do not)."""

SCHEDULES: dict[str, Callable[..., optax.Schedule]] = {
    name: getattr(optax, name)
    for name in (
        *("constant_schedule", "cosine_decay_schedule", "cosine_onecycle_schedule", "exponential_decay"),
        *("linear_onecycle_schedule", "linear_schedule", "polynomial_schedule"),
    )
}
"""By name; they start from the optimizer's learning rate."""

FILLED_IN = {
    "value": "rate",
    "init_value": "rate",
    "peak_value": "rate",
    "decay_steps": "steps",
    "transition_steps": "steps",
}
"""Arguments of schedules that are filled in: with the learning rate, or with the number of optimizer steps."""


@dataclass(frozen=True)
class Optimization:
    """How parameters are changed."""

    transformation: optax.GradientTransformation
    rate: optax.Schedule
    """Optimizer step -> learning rate."""


def make_optimization(options: Train, steps: int, field: str) -> Optimization:
    """The optimizer with its schedule and the clipping of gradients.

    Args:
        options: the training.
        steps: optimizer steps of the whole training.
        field: where the user wrote it, such as `spec.steps[train].train`.

    Raises:
        ConfigurationError: optax has no such optimizer or schedule, or it doesn't take such arguments.
    """
    rate = (
        make_schedule(options.schedule, options.optimizer.learning_rate, steps, f"{field}.schedule")
        if options.schedule
        else optax.constant_schedule(options.optimizer.learning_rate)
    )
    optimizer = make_optimizer(options.optimizer, rate, f"{field}.optimizer")
    if options.gradient_clipping is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(options.gradient_clipping), optimizer)
    return Optimization(optimizer, rate)


def make_optimizer(options: Optimizer, rate: optax.Schedule, field: str) -> optax.GradientTransformation:
    """The optimizer of that name; weight decay is added to the gradients where it has none of its own."""
    kind = _find(OPTIMIZERS, options.name, field)
    for name, own in {"learning_rate": "learningRate", "weight_decay": "weightDecay"}.items():
        if name in options.args:
            raise ConfigurationError(f"{field}.args.{name}: set {field}.{own} instead")
    known = inspect.signature(kind).parameters
    if options.weight_decay is None:
        return _call(kind, field, learning_rate=rate, **options.args)
    if "weight_decay" in known:
        return _call(kind, field, learning_rate=rate, weight_decay=options.weight_decay, **options.args)
    return optax.chain(
        optax.add_decayed_weights(options.weight_decay), _call(kind, field, learning_rate=rate, **options.args)
    )


def make_schedule(options: Schedule, rate: float, steps: int, field: str) -> optax.Schedule:
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
    schedule = _call(kind, field, **(arguments | options.args))
    if options.warmup_steps == 0:
        return schedule
    warmup = optax.linear_schedule(rate / options.warmup_steps, rate, options.warmup_steps - 1)
    return optax.join_schedules([warmup, schedule], [options.warmup_steps])


def _find(known: dict[str, Any], name: str, field: str) -> Any:
    if name.lower() not in known:
        raise ConfigurationError(f"{field}.name: optax has no {name!r} that fits; {near_names(name, known)}")
    return known[name.lower()]


def _call(kind: Callable[..., Any], field: str, **arguments: Any) -> Any:
    try:
        inspect.signature(kind).bind(**arguments)
        made = kind(**arguments)
        if isinstance(made, optax.GradientTransformation):
            made.init({"weight": jnp.zeros((2, 2))})
        return made
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{field}.args: {kind.__name__}: {error}; it takes {', '.join(inspect.signature(kind).parameters)}"
        ) from error
