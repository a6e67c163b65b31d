"""Optimizers and learning-rate schedules by their names in torch."""

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import lr_scheduler

from trainwright.api.steps import Optimizer, Schedule
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.suggestions import near_names

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    name.lower(): getattr(torch.optim, name)
    for name in (
        *("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "ASGD"),
        *("NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
    )
}
"""By lower-case name; without LBFGS (needs a closure), SparseAdam (sparse gradients) and Muon (matrices only)."""

SCHEDULES: dict[str, type[lr_scheduler.LRScheduler]] = {
    name.lower(): getattr(lr_scheduler, name)
    for name in (
        *("ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LinearLR"),
        *("MultiStepLR", "OneCycleLR", "PolynomialLR", "StepLR"),
    )
}
"""By lower-case name: those that need neither a function nor a measured metric."""

FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
"""Those that change all parameters in one operation when asked to, on CPUs and on GPUs."""

LENGTHS = {
    "CosineAnnealingLR": "T_max",
    "OneCycleLR": "total_steps",
    "ConstantLR": "total_iters",
    "LinearLR": "total_iters",
    "PolynomialLR": "total_iters",
}
"""The argument that is filled in with the number of optimizer steps."""


def make_optimizer(options: Optimizer, parameters: Iterable[torch.nn.Parameter], field: str) -> torch.optim.Optimizer:
    """The optimizer of `parameters`.

    Args:
        options: its name and arguments.
        parameters: what it changes.
        field: where the user wrote it, such as `spec.steps[train].train.optimizer`.

    Raises:
        ConfigurationError: torch has no such optimizer, or it doesn't take such arguments.
    """
    kind = _find(OPTIMIZERS, options.name, field)
    arguments: dict[str, Any] = {"lr": options.learning_rate}
    if options.weight_decay is not None:
        arguments["weight_decay"] = options.weight_decay
    _refuse_double(arguments, options.args, field)
    if kind in FUSED and not {"foreach", "fused", "differentiable"} & options.args.keys():
        arguments["fused"] = True
    optimizer: torch.optim.Optimizer = _call(kind, field, parameters, **arguments, **options.args)
    return optimizer


def make_schedule(
    options: Schedule, optimizer: torch.optim.Optimizer, steps: int, field: str
) -> lr_scheduler.LRScheduler:
    """The schedule of the optimizer's learning rate.

    Args:
        options: its name and arguments.
        optimizer: what it schedules.
        steps: optimizer steps of the whole training.
        field: where the user wrote it, such as `spec.steps[train].train.schedule`.

    Raises:
        ConfigurationError: torch has no such schedule, or it doesn't take such arguments.
    """
    kind = _find(SCHEDULES, options.name, field)
    if options.warmup_steps >= steps:
        raise ConfigurationError(
            f"{field}.warmupSteps: {options.warmup_steps} steps of warm-up leave nothing of the training's {steps}"
        )
    arguments: dict[str, Any] = {}
    if kind.__name__ in LENGTHS:
        arguments[LENGTHS[kind.__name__]] = steps - options.warmup_steps
    if kind is lr_scheduler.OneCycleLR:
        arguments["max_lr"] = [group["lr"] for group in optimizer.param_groups]
    schedule: lr_scheduler.LRScheduler = _call(kind, field, optimizer, **(arguments | options.args))
    if options.warmup_steps == 0:
        return schedule
    warmup = lr_scheduler.LinearLR(optimizer, 1 / options.warmup_steps, total_iters=options.warmup_steps)
    return lr_scheduler.SequentialLR(optimizer, [warmup, schedule], [options.warmup_steps])


def _find(known: dict[str, Any], name: str, field: str) -> Any:
    if name.lower() not in known:
        names = [kind.__name__ for kind in known.values()]
        raise ConfigurationError(f"{field}.name: torch has no {name!r} that fits; {near_names(name, names)}")
    return known[name.lower()]


def _refuse_double(set_already: dict[str, Any], arguments: dict[str, Any], field: str) -> None:
    names = {"lr": "learningRate", "weight_decay": "weightDecay"}
    for name in set_already.keys() & arguments.keys():
        raise ConfigurationError(f"{field}.args.{name}: set {field}.{names[name]} instead")


def _call(kind: type, field: str, first: object, **arguments: Any) -> Any:
    try:
        return kind(first, **arguments)
    except (TypeError, ValueError) as error:
        takes = ", ".join(list(inspect.signature(kind).parameters)[1:])
        raise ConfigurationError(f"{field}.args: {kind.__name__}: {error}; it takes {takes}") from error
