"""Loss and accuracy on the validation split between epochs, each process measuring its share."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainwright_trainers.data import Dataset, read_batch
from trainwright_trainers.runtime.reporting import Score
from trainwright_trainers.tensorflow.feeding import as_arrays
from trainwright_trainers.tensorflow.processes import Processes
from trainwright_trainers.tensorflow.stepping import Objective


class Scorer:
    """Measures a model on a split."""

    def __init__(self, objective: Objective, dataset: Dataset, batch_size: int, processes: Processes) -> None:
        self._objective = objective
        self._dataset = dataset
        self._batch_size = batch_size
        self._processes = processes
        self._mine = np.arange(processes.rank, len(dataset), processes.size)
        self._measure: Any = tf.function(self._sums, reduce_retracing=True)

    def score(self) -> Score:
        """Measure the model; collective."""
        total = np.zeros(4)  # loss, right answers, answers, samples
        for start in range(0, len(self._mine), self._batch_size):
            self._processes.watch.beat()
            batch = read_batch(self._dataset, self._mine[start : start + self._batch_size])
            inputs, targets = (tf.convert_to_tensor(array) for array in as_arrays(batch))
            total += self._measure(inputs, targets).numpy()
        summed, right, answers, samples = self._processes.gather(total).sum(axis=0).tolist()
        return Score(summed / samples, right / answers if answers else None)

    def _sums(self, inputs: Any, targets: Any) -> Any:
        outputs, losses = self._objective.losses(inputs, targets, training=False)
        right = answers = tf.constant(0.0, tf.float64)
        if targets.dtype.is_integer and len(outputs.shape) == len(targets.shape) + 1:
            same = tf.argmax(outputs, axis=1, output_type=targets.dtype) == targets
            right, answers = tf.reduce_sum(tf.cast(same, tf.float64)), tf.cast(tf.size(targets), tf.float64)
        count = tf.cast(tf.size(losses), tf.float64)
        return tf.stack([tf.reduce_sum(tf.cast(losses, tf.float64)), right, answers, count])
