"""SavedModel, by jax2tf (https://github.com/jax-ml/jax/tree/main/jax/experimental/jax2tf)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.evaluation.saved_model import FILE, FORMAT, SERVING, VERSION, load_served, signatures
from trainwright_trainers.jax.artifacts import Model, load_model, of_stored, stored
from trainwright_trainers.jax.export.stablehlo import PLATFORMS
from trainwright_trainers.jax.tensorflow import use_tensorflow
from trainwright_trainers.jax.trees import flatten, unflatten
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet


def convert_to_saved_model(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory`/1 as a SavedModel.

    Raises:
        ConfigurationError: the model can't be converted, or can't take any batch size, or TensorFlow is not installed.
    """
    model = load_model(source.artifact, source.factory)
    write_saved_model(model, directory / VERSION, dynamic_batch, PLATFORMS)
    inputs, outputs = signatures(load_served(directory / VERSION))
    return Converted(FORMAT, FILE, inputs, outputs, tools())


def write_saved_model(model: Model, directory: Path, dynamic_batch: bool, platforms: tuple[str, ...]) -> None:
    """Save the model as a function of `input` that gives `output`, with its arrays as variables by their names.

    Args:
        model: the model.
        directory: becomes the SavedModel.
        dynamic_batch: whether it must take any batch size; else it takes one sample at a time.
        platforms: what its program can run on.

    Raises:
        ConfigurationError: the model can't be converted, or can't take any batch size, or TensorFlow is not installed.
    """
    use_tensorflow()
    import tensorflow as tf

    try:
        with quiet():
            module = _module(model, dynamic_batch, platforms)
            tf.saved_model.save(module, str(directory), signatures={SERVING: module.serve})
    except (ValueError, TypeError, NotImplementedError, jax.errors.JAXTypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        sizes = " for any batch size" * dynamic_batch
        raise ConfigurationError(
            f"export.format: this model can't be converted to a SavedModel{sizes}: {reason}"
        ) from error


def _module(model: Model, dynamic_batch: bool, platforms: tuple[str, ...]) -> Any:
    import tensorflow as tf
    from jax.experimental import jax2tf

    form = jax.eval_shape(lambda: stored(model.variables))

    def run(weights: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
        return replace(model, variables=of_stored(unflatten(weights, form))).run(inputs)

    converted = jax2tf.convert(
        run,
        polymorphic_shapes=[None, "(batch, ...)" if dynamic_batch else None],
        with_gradient=False,
        native_serialization_platforms=platforms,
    )
    taken = tf.TensorSpec([None if dynamic_batch else 1, *model.sample.shape[1:]], model.sample.dtype, name="input")
    module = tf.Module()
    module.weights = {
        name: tf.Variable(np.asarray(array), trainable=name.startswith("parameters/"), name=name)
        for name, array in flatten(stored(model.variables)).items()
    }
    module.serve = tf.function(
        lambda inputs: {"output": converted(module.weights, inputs)}, input_signature=[taken], autograph=False
    )
    return module


def tools() -> dict[str, str]:
    """Versions of what converts."""
    import tensorflow as tf

    return {"jax": jax.__version__, "tensorflow": tf.__version__}
