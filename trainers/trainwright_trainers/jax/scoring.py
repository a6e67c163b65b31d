"""Loss and accuracy on the validation split between epochs, each device measuring its share."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from trainwright_trainers.data import Array, Dataset, read_batch
from trainwright_trainers.jax.feeding import as_arrays
from trainwright_trainers.jax.losses import of_samples
from trainwright_trainers.jax.networks import Variables
from trainwright_trainers.jax.processes import AXIS, Processes
from trainwright_trainers.jax.stepping import Objective, add_up, on_shares
from trainwright_trainers.runtime.reporting import Score


class Scorer:
    """Measures a model on a split."""

    def __init__(self, objective: Objective, dataset: Dataset, batch_size: int, processes: Processes) -> None:
        self._dataset = dataset
        self._processes = processes
        self._size = -(-min(batch_size, len(dataset)) // processes.shares)
        everywhere, spread = PartitionSpec(), PartitionSpec(AXIS)
        measure = partial(_measure, objective, processes)
        self._measure = jax.jit(on_shares(measure, processes, (everywhere, spread, spread, spread)))

    def score(self, variables: Variables) -> Score:
        """Measure the model; collective."""
        step = self._size * self._processes.shares
        starts = range(0, len(self._dataset), step)
        told = [self._measure(variables, *self._read(np.arange(i, min(i + step, len(self._dataset))))) for i in starts]
        loss, right, answers = np.asarray(jax.device_get(told), np.float64).sum(axis=0).tolist()
        return Score(loss / len(self._dataset), right / answers if answers else None)

    def _read(self, indices: Array) -> tuple[jax.Array, ...]:
        """Inputs, targets and which samples count, [shares, samples, ...]: always as many, so that one program does."""
        processes = self._processes
        shape = processes.shares, self._size
        counts = np.arange(shape[0] * shape[1]).reshape(shape)[processes.own_shares].ravel() < len(indices)
        padded = np.resize(indices, shape)[processes.own_shares]
        inputs, targets = as_arrays(read_batch(self._dataset, padded.ravel()))
        arrays = (array.reshape(*padded.shape, *array.shape[1:]) for array in (inputs, targets, counts))
        return tuple(map(processes.spread_rows, arrays))


def _measure(
    objective: Objective, processes: Processes, variables: Variables, inputs: Any, targets: Any, counts: Any
) -> Any:
    """The sum of the samples' losses, the number of right answers, and that of answers: none without classes."""
    outputs, _ = objective.forward(variables, inputs[0], training=False, key=None)
    targets, counts = targets[0], counts[0]
    losses = jnp.where(counts, of_samples(objective.loss(outputs, targets)), 0).sum()
    right = answers = jnp.zeros(())
    if jnp.issubdtype(targets.dtype, jnp.integer) and outputs.ndim == targets.ndim + 1:
        counted = jnp.broadcast_to(counts.reshape(-1, *[1] * (targets.ndim - 1)), targets.shape)
        right = ((outputs.argmax(axis=1) == targets) & counted).sum(dtype=jnp.float32)
        answers = counted.sum(dtype=jnp.float32)
    return add_up(jnp.stack([losses, right, answers]), processes)
