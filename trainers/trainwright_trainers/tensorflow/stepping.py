"""One optimizer step as one compiled function over all devices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from trainwright_trainers.tensorflow.losses import Loss, of_samples
from trainwright_trainers.tensorflow.networks import is_seed
from trainwright_trainers.tensorflow.processes import Processes

Step = Callable[[Any, Any], Any]
"""(parts of the batch, number of the step) -> [loss, learning rate, norm of the gradients before clipping]."""


Guide = Callable[[Any, Any, Any], Any]
"""What is made small in a loss' stead, such as the distance to a teacher's answers.

(inputs, the model's outputs, the loss of every sample) -> the same for every sample, [n].
"""


@dataclass(frozen=True)
class Objective:
    """What is made small."""

    model: Any
    loss: Loss
    guide: Guide | None = None

    def losses(self, inputs: Any, targets: Any, *, training: bool) -> tuple[Any, Any]:
        """(outputs in float32, loss of every sample [n]) of a batch."""
        outputs = tf.cast(self.model(inputs, training=training), tf.float32)
        return outputs, of_samples(self.loss(targets, outputs))

    def minimized(self, inputs: Any, targets: Any) -> Any:
        """What is made small in training, for every sample: [n] float32."""
        outputs, losses = self.losses(inputs, targets, training=True)
        return losses if self.guide is None else self.guide(inputs, outputs, losses)


def make_step(objective: Objective, optimizer: Any, processes: Processes, seed: int, clipping: float | None) -> Step:
    """The step, compiled when it is first called for a shape of batch.

    Each device computes on its own samples with random numbers of its own; then loss, gradients and running statistics
    go through one sum over all devices, and each device changes its copy of the model alike.
    """
    model, strategy = objective.model, processes.strategy
    weights = model.trainable_variables
    seeds = [variable for variable in model.non_trainable_variables if is_seed(variable)]
    statistics = [
        variable
        for variable in model.non_trainable_variables
        if not is_seed(variable) and tf.as_dtype(variable.dtype).is_floating
    ]

    def of_part(part: Any, state: list[Any], number: Any, index: int) -> tuple[Any, list[Any], list[Any]]:
        """(loss, gradients, statistics) of one part, all weighted but the last."""
        inputs, targets, weight = part
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        key = _fold([seed & 0x7FFFFFFF, 0], number, replica, index)
        random = [(variable, tf.cast(_fold(key, place), variable.dtype)) for place, variable in enumerate(seeds)]
        # The scope keeps what the model changes in its forward pass away from the variables, which no device may change
        # on its own.
        with keras.StatelessScope(state_mapping=[*random, *zip(statistics, state, strict=True)]) as scope:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(objective.minimized(inputs, targets)) * weight
                scaled = optimizer.scale_loss(loss)  # by nothing but in fp16
            changed = [scope.get_current_value(variable) for variable in statistics]
        values = [variable.value for variable in weights]
        gradients = tape.gradient(scaled, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients], changed

    def compute(parts: Any, number: Any) -> list[Any]:
        """[loss, gradients, statistics], summed over all devices."""
        state = [tf.identity(variable.value) for variable in statistics]
        total: list[Any] = []
        for index, part in enumerate(parts):
            loss, gradients, state = of_part(part, state, number, index)
            own = [loss, *gradients]
            total = [before + more for before, more in zip(total, own, strict=True)] if total else own
        context = tf.distribute.get_replica_context()
        total += [value / context.num_replicas_in_sync for value in state]
        return list(context.all_reduce(tf.distribute.ReduceOp.SUM, total, options=processes.communication))

    def change(gradients: list[Any]) -> Any:
        """Change the weights; gives the learning rate and the gradients' norm."""
        norm = tf.constant(0.0)
        if clipping is not None:
            scale = optimizer.scale_loss(tf.ones(()))
            gradients, norm = tf.clip_by_global_norm(gradients, clipping * scale)
            norm /= scale
        rate = tf.cast(optimizer.learning_rate, tf.float32)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return rate, norm

    @tf.function(reduce_retracing=False)
    def step(parts: Any, number: Any) -> Any:
        loss, *rest = strategy.run(compute, args=(parts, number))
        rate, norm = strategy.run(change, args=(rest[: len(weights)],))
        for variable, value in zip(statistics, rest[len(weights) :], strict=True):
            variable.value.assign(_first(strategy, value))
        return tf.stack([_first(strategy, value) for value in (loss, rate, norm)])

    return step  # type: ignore[no-any-return]


def _first(strategy: Any, value: Any) -> Any:
    """A value that is the same on all devices, as it is on the first of this process."""
    return strategy.experimental_local_results(value)[0]


def _fold(key: Any, *numbers: Any) -> Any:
    """A key for random numbers, other ones for any other numbers."""
    key = tf.cast(key, tf.int32)
    for number in numbers:
        key = tf.random.fold_in(key, tf.cast(number, tf.int32))
    return key
