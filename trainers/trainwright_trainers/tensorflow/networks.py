"""The job's Keras model, and its variables by kind."""

from typing import Any

import keras
import numpy as np

from trainwright.api.steps import Factory, Precision
from trainwright_trainers.data import Array
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import make

POLICIES: dict[Precision, str] = {"fp32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}
"""Keras' name of each precision; the weights are float32 in all of them."""


def make_network(factory: Factory, field: str, sample: Array, precision: Precision = "fp32") -> Any:
    """The model, made by the factory that the user names, with variables for such a batch of inputs.

    Args:
        factory: the callable and its arguments.
        field: where the user wrote it, such as `spec.model`.
        sample: some inputs, [n, ...].
        precision: what its layers compute in, where they don't say it themselves.

    Raises:
        ConfigurationError: the factory can't be called, returns something that is not a model, or the model can't take
            such inputs.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        model = make(factory, field)
    finally:
        keras.config.set_dtype_policy(before)
    if not isinstance(model, keras.Model):
        raise ConfigurationError(
            f"{field}.factory: {factory.factory} must return a keras.Model, it returned {type(model).__name__}"
        )
    try:
        model(np.zeros_like(sample[:1]), training=False)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"{field} can't take a batch of spec.data, {list(sample.shape)} {sample.dtype}:"
            f" {str(error).strip().partition(chr(10))[0]}"
        ) from error
    return model


def is_seed(variable: Any) -> bool:
    """Whether it is the state of random numbers, which here follow from the job's seed and the step."""
    return bool(variable.path.endswith("seed_generator_state"))


def is_statistic(variable: Any) -> bool:
    """Whether it is a running statistic of batch normalization."""
    return variable.name in ("moving_mean", "moving_variance")


def kept(model: Any) -> dict[str, Any]:
    """The variables that make the model what it is, by names that are the same in every process.

    Keras' own paths count the layers that a process has made, so they differ between processes.
    """
    chosen = [variable for variable in model.variables if not is_seed(variable)]
    return {
        f"{'state' if is_statistic(variable) else 'parameters'}/{number:04d}/{variable.name}": variable
        for number, variable in enumerate(chosen)
    }


def own_statistics(model: Any) -> list[str]:
    """The layers of batch normalization that take the mean of one device's samples only."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    return [layer.name for layer in layers if not layer.synchronized]
