"""How a training follows the number of its processes, when its global batch is not to stay the same."""

import math

from trainwright.api.steps import Train


def for_processes(options: Train, processes: int) -> Train:
    """The options as they are for that many processes: without `scaling`, what the user wrote.

    The batch is rounded to whole samples. The learning rate follows the batch that comes of it, and with it `max_lr`,
    the one rate among the schedules' arguments that isn't relative.
    """
    if options.scaling is None:
        return options
    batch = max(1, round(options.batch_size * processes / options.scaling.reference_processes))
    factor = _rate_factor(batch / options.batch_size, options.scaling.learning_rate)
    rate = options.optimizer.learning_rate * factor
    changes = {
        "batch_size": batch,
        "optimizer": options.optimizer.model_copy(update={"learning_rate": rate}),
    }
    if options.schedule is not None and isinstance(options.schedule.args.get("max_lr"), int | float):
        arguments = options.schedule.args | {"max_lr": options.schedule.args["max_lr"] * factor}
        changes["schedule"] = options.schedule.model_copy(update={"args": arguments})
    return options.model_copy(update=changes)


def _rate_factor(growth: float, rule: str) -> float:
    """What the learning rate is multiplied by when the batch grows so many times."""
    return {"linear": growth, "square-root": math.sqrt(growth), "constant": 1.0}[rule]
