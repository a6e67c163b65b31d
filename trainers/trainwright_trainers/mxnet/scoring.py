"""Loss and accuracy on the validation split between epochs, each process measuring its share."""

import mxnet as mx
import numpy as np

from trainwright_trainers.data import Array, Dataset, read_batch
from trainwright_trainers.mxnet.processes import Processes
from trainwright_trainers.mxnet.stepping import Objective
from trainwright_trainers.mxnet.tensors import as_nd
from trainwright_trainers.runtime.reporting import Score


class Scorer:
    """Measures a model on a split."""

    def __init__(self, objective: Objective, dataset: Dataset, batch_size: int, processes: Processes) -> None:
        self._objective = objective
        self._dataset = dataset
        self._batch_size = batch_size
        self._processes = processes
        self._mine = np.arange(processes.rank, len(dataset), processes.size)

    def score(self) -> Score:
        """Measure the model; collective."""
        total = np.zeros(4)  # loss, right answers, answers, samples
        for start in range(0, len(self._mine), self._batch_size):
            total += self._sums(*read_batch(self._dataset, self._mine[start : start + self._batch_size]))
        summed, right, answers, samples = self._processes.gather(total).sum(axis=0).tolist()
        return Score(summed / samples, right / answers if answers else None)

    def _sums(self, inputs: Array, targets: Array) -> Array:
        device = self._processes.device
        outputs, losses = self._objective.losses(as_nd(inputs, device), as_nd(targets, device))
        right = answers = 0
        if targets.dtype.kind in "iu" and outputs.ndim == targets.ndim + 1:
            found = mx.nd.argmax(outputs, axis=1).asnumpy().astype(targets.dtype)
            right, answers = int((found == targets).sum()), targets.size
        return np.array([losses.asnumpy().astype(np.float64).sum(), right, answers, losses.size])
