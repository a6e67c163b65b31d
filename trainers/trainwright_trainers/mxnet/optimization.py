"""Optimizers and learning-rate schedules by their names in MXNet."""

import inspect
from collections.abc import Callable
from typing import Any

import mxnet as mx

from trainwright.api.steps import Optimizer, Schedule, Train
from trainwright_trainers.mxnet.networks import ERRORS, trained
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.suggestions import near_names

Rate = Callable[[int], float]
"""Learning rate of an optimizer step, counted from 0; asked for in order."""


class AdamW(mx.optimizer.Adam):
    """Adam with decoupled weight decay (https://arxiv.org/abs/1711.05101), which MXNet has as an operator only."""

    def __init__(self, wd: float = 0.01, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._decay = wd

    def update(self, index: int, weight: Any, grad: Any, state: Any) -> None:
        """Decay the weight, then change it as Adam does."""
        weight *= 1 - self._get_lr(index) * self._decay
        super().update(index, weight, grad, state)


OPTIMIZERS: dict[str, Any] = {
    kind.__name__.lower(): kind
    for kind in (
        *(mx.optimizer.AdaDelta, mx.optimizer.AdaGrad, mx.optimizer.Adam, AdamW, mx.optimizer.Adamax),
        *(mx.optimizer.Ftrl, mx.optimizer.LAMB, mx.optimizer.NAG, mx.optimizer.RMSProp, mx.optimizer.SGD),
        mx.optimizer.Signum,
    )
}
"""By lower-case name: those whose whole state is in arrays, so that a checkpoint has it."""

SCHEDULES: dict[str, Any] = {
    kind.__name__.lower(): kind
    for kind in (
        *(mx.lr_scheduler.CosineScheduler, mx.lr_scheduler.FactorScheduler),
        *(mx.lr_scheduler.MultiFactorScheduler, mx.lr_scheduler.PolyScheduler),
    )
}
"""By lower-case name; they start from the optimizer's learning rate."""

ELSEWHERE = {
    "learning_rate": "optimizer.learningRate",
    "wd": "optimizer.weightDecay",
    "base_lr": "optimizer.learningRate",
    "warmup_steps": "schedule.warmupSteps",
    "clip_gradient": "gradientClipping",
    "multi_precision": "precision",
}
"""MXNet's arguments -> the field that says the same here."""


class Optimization:
    """The optimizer of a model's parameters, with all its state."""

    def __init__(self, optimizer: Any, rate: Rate, model: Any) -> None:
        self.rate = rate
        self._optimizer = optimizer
        self._parameters = trained(model)
        optimizer.param_dict = dict(enumerate(self._parameters))
        self._states = [
            optimizer.create_state_multi_precision(index, parameter.data())
            for index, parameter in enumerate(self._parameters)
        ]

    def update(self, gradients: list[Any], number: int) -> float:
        """Change every parameter; gives the learning rate of optimizer step `number`, counted from 0."""
        rate = self.rate(number)
        self._optimizer.set_learning_rate(rate)
        for index, (parameter, gradient) in enumerate(zip(self._parameters, gradients, strict=True)):
            # Adam's correction depends on how many steps there were, also after a restart.
            self._optimizer._index_update_count[index] = number
            self._optimizer.update_multi_precision(index, parameter.data(), gradient, self._states[index])
        return rate

    @property
    def arrays(self) -> dict[str, Any]:
        """The state's NDArrays by name."""
        found: dict[str, Any] = {}
        for index, state in enumerate(self._states):
            parts = state if isinstance(state, tuple | list) else (state,)
            found |= {f"optimizer/{index:04d}/{place}": part for place, part in enumerate(parts) if part is not None}
        return found


def make_optimization(options: Train, model: Any, steps: int, field: str) -> Optimization:
    """The optimizer with its schedule; gradients are clipped and accumulated elsewhere.

    Args:
        options: the training.
        model: whose parameters it changes.
        steps: optimizer steps of the whole training.
        field: where the user wrote it, such as `spec.steps[train].train`.

    Raises:
        ConfigurationError: MXNet has no such optimizer or schedule, or it doesn't take such arguments.
    """
    wanted = options.optimizer
    rate: Rate = lambda _: wanted.learning_rate  # noqa: E731 - the schedule that is none
    if options.schedule is not None:
        rate = make_schedule(options.schedule, wanted.learning_rate, steps, f"{field}.schedule")
    return Optimization(make_optimizer(wanted, f"{field}.optimizer"), rate, model)


def make_optimizer(options: Optimizer, field: str) -> Any:
    """The optimizer of that name."""
    kind = _find(OPTIMIZERS, options.name, field)
    arguments = dict(options.args)
    if options.weight_decay is not None:
        arguments["wd"] = options.weight_decay
    return _call(kind, field, options.args, learning_rate=options.learning_rate, **arguments)


def make_schedule(options: Schedule, rate: float, steps: int, field: str) -> Rate:
    """The schedule of that name, after a linear warm-up where there is one."""
    kind = _find(SCHEDULES, options.name, field)
    if steps <= options.warmup_steps:
        raise ConfigurationError(
            f"{field}.warmupSteps: {options.warmup_steps} steps of warm-up leave nothing of the training's {steps}"
        )
    filled_in = {"max_update": steps} if "max_update" in inspect.signature(kind).parameters else {}
    arguments = {"base_lr": rate, "warmup_steps": options.warmup_steps} | filled_in | options.args
    made: Rate = _call(kind, field, options.args, **arguments)
    return made


def _find(known: dict[str, Any], name: str, field: str) -> Any:
    if name.lower() not in known:
        names = [kind.__name__ for kind in known.values()]
        raise ConfigurationError(f"{field}.name: MXNet has no {name!r} that fits; {near_names(name, names)}")
    return known[name.lower()]


def _call(kind: Any, field: str, given: dict[str, Any], **arguments: Any) -> Any:
    for name in given:
        if name in ELSEWHERE:
            raise ConfigurationError(f"{field}.args.{name}: set {ELSEWHERE[name]} instead")
    try:
        return kind(**arguments)
    except ERRORS as error:
        takes = [name for name in inspect.signature(kind).parameters if name not in ("self", "kwargs")]
        raise ConfigurationError(f"{field}.args: {kind.__name__}: {error}; it takes {', '.join(takes)}") from error
