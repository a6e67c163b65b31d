"""A Keras model as the functions that leave TensorFlow's Python: for converters and servers."""

from typing import Any

import tensorflow as tf

from trainwright_trainers.data import Array
from trainwright_trainers.tensorflow.networks import kept

INPUT, OUTPUT = "input", "output"
"""What the functions call them."""


class Program(tf.Module):
    """A Keras model as a tf.Module of plain variables.

    TFLite's converter finds no variables in a tf.Module that holds a Keras 3 model, and its model then answers NaN.
    """

    def __init__(self, model: Any, sample: Array, *, dynamic_batch: bool) -> None:
        super().__init__()
        self.parameters = [variable.value for name, variable in kept(model).items() if name.startswith("parameters/")]
        self.others = [variable.value for variable in model.variables if not _among(variable.value, self.parameters)]
        self._run = _function(model, sample, None if dynamic_batch else len(sample))

    @property
    def function(self) -> Any:
        """(inputs [n, ...]) -> {"output": the outputs in float32}, of any batch size or of the sample's."""
        return self._run


def _function(model: Any, sample: Array, batch: int | None) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([batch, *sample.shape[1:]], sample.dtype, name=INPUT)])
    def run(inputs: Any) -> Any:
        return {OUTPUT: tf.cast(model(inputs, training=False), tf.float32)}

    return run


def _among(variable: Any, others: list[Any]) -> bool:
    return any(variable is other for other in others)
