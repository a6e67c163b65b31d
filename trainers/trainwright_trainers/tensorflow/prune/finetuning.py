"""Training after pruning, so that what is left makes up for what was removed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainwright_trainers.chain.pruning import finetune_epochs
from trainwright_trainers.chain.source import field_of
from trainwright_trainers.data import Array, Dataset
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.feeding import Batch, Feeder
from trainwright_trainers.tensorflow.losses import make_loss
from trainwright_trainers.tensorflow.networks import kept
from trainwright_trainers.tensorflow.optimization import optimizer_of
from trainwright_trainers.tensorflow.processes import alone
from trainwright_trainers.tensorflow.prune.candidate import Candidate
from trainwright_trainers.tensorflow.stepping import Objective, make_step


def finetune(
    context: StepContext, pruned: Candidate, train: Dataset, zeros: Mapping[str, Array], number: int
) -> Candidate | None:
    """Train the model in place for `prune.finetuneEpochs`, in this process, on its GPU where there is one.

    Args:
        context: the step.
        pruned: the pruned model.
        train: the training split.
        zeros: by variable, where it must stay zero: bool, of its shape.
        number: which of `prune.iterations` it is, from 0.

    Returns:
        The trained model; none when the step was asked to stop.

    Raises:
        ConfigurationError: there is no such optimizer or loss.
        NonFiniteLossError: the loss became infinite or not a number.
    """
    configuration, options, field = context.configuration, context.configuration.step.options, field_of(context)
    objective = Objective(pruned.model, make_loss(options.loss, f"{field}.loss"))
    optimizer = optimizer_of(options.optimizer, options.optimizer.learning_rate, f"{field}.optimizer")
    optimizer.build(pruned.model.trainable_variables)
    processes = alone()
    context.progress.serve_where_asked()
    step = make_step(objective, optimizer, processes, configuration.seed, None)
    feeder = Feeder(train, processes, seed=configuration.seed, batch_size=options.batch_size, parts=1)

    def learn(batch: Batch, done: int) -> Any:
        return step(batch.parts, np.int64(done))

    def read(told: list[Any]) -> list[float]:
        return [float(one.numpy()[0]) for one in told]

    with held_at_zero(kept(pruned.model), zeros):
        ended = finetune_epochs(context, feeder, len(train), learn, read, number)
    return Candidate(pruned.model, pruned.sample) if ended else None


@contextmanager
def held_at_zero(variables: Mapping[str, Any], zeros: Mapping[str, Array]) -> Iterator[None]:
    """Have an optimizer keep zero what is zero; what else the layers demand of their variables holds, too."""
    before = {name: variables[name].constraint for name in zeros}
    for name, mask in zeros.items():
        variables[name].constraint = KeepZero(mask, before[name])
    try:
        yield
    finally:
        for name, constraint in before.items():
            variables[name].constraint = constraint


class KeepZero(keras.constraints.Constraint):
    """Zeroes again what an optimizer step moved away from zero."""

    def __init__(self, zeros: Array, also: Callable[[Any], Any] | None) -> None:
        self._zeros, self._also = tf.constant(zeros), also

    def __call__(self, value: Any) -> Any:
        """(variable) -> its new value."""
        value = tf.convert_to_tensor(value if self._also is None else self._also(value))
        return tf.where(self._zeros, tf.zeros_like(value), value)
