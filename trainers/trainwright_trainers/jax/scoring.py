"""Loss and accuracy on the validation split between epochs, each process measuring its share."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainwright_trainers.data import Dataset, read_batch
from trainwright_trainers.jax.feeding import as_arrays
from trainwright_trainers.jax.losses import of_samples
from trainwright_trainers.jax.networks import Variables
from trainwright_trainers.jax.processes import Processes, local
from trainwright_trainers.jax.stepping import Objective
from trainwright_trainers.runtime.reporting import Score


class Scorer:
    """Measures a model on a split."""

    def __init__(self, objective: Objective, dataset: Dataset, batch_size: int, processes: Processes) -> None:
        self._dataset = dataset
        self._processes = processes
        self._mine = np.arange(processes.rank, len(dataset), processes.size)
        self._batch_size = max(1, min(batch_size, len(self._mine)))
        self._measure: Callable[..., tuple[Any, Any]] = jax.jit(partial(_measure, objective))

    def score(self, variables: Variables) -> Score:
        """Measure the model; collective."""
        total = np.zeros(4)  # loss, right answers, answers, samples
        here = local(variables)
        for start in range(0, len(self._mine), self._batch_size):
            indices = self._mine[start : start + self._batch_size]
            # Always as many, so that one program does.
            inputs, targets = as_arrays(read_batch(self._dataset, np.resize(indices, self._batch_size)))
            losses, right = self._measure(here, inputs, targets)
            count = len(indices)
            total += [float(losses[:count].sum()), float(right[:count].sum()), right[:count].size, count]
        summed, right, answers, samples = self._processes.gather(total).sum(axis=0).tolist()
        return Score(summed / samples, right / answers if answers else None)


def _measure(objective: Objective, variables: Variables, inputs: Any, targets: Any) -> tuple[Any, Any]:
    """The losses of the samples, and which answers are right; none where the targets are not classes."""
    outputs, _ = objective.forward(variables, inputs, training=False, key=None)
    losses = of_samples(objective.loss(outputs, targets))
    classes = jnp.issubdtype(targets.dtype, jnp.integer) and outputs.ndim == targets.ndim + 1
    return losses, outputs.argmax(axis=1) == targets if classes else jnp.zeros((len(losses), 0))
