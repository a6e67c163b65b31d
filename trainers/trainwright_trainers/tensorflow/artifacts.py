"""A Keras model as an artifact: weights in safetensors, and in artifact.json how to make the model around them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import tensorflow as tf
from safetensors import SafetensorError

from trainwright.api.base import JsonObject
from trainwright.api.steps import Factory, Precision
from trainwright_trainers.chain.weights import (
    FORMAT,
    WEIGHTS,
    check_origin,
    example_shape,
    read_shapes,
    signature,
    unfit_weights,
)
from trainwright_trainers.data import Array
from trainwright_trainers.runtime.artifacts import (
    Artifact,
    ArtifactError,
    Description,
    Parent,
    write_artifact,
)
from trainwright_trainers.runtime.tensors import read_tensors, write_tensors
from trainwright_trainers.tensorflow.narrowing import narrowed
from trainwright_trainers.tensorflow.networks import kept, make_network
from trainwright_trainers.tensorflow.tensors import assign_tensors


def write_model(
    draft: Path, model: Any, sample: Array, *, name: str, factory: Factory, recipe: JsonObject, parent: Parent | None
) -> Artifact:
    """Make an artifact of the model in the directory `draft`.

    Args:
        draft: an empty directory, from `drafted`.
        model: the trained model.
        sample: some inputs, [n, ...].
        name: the step that made it.
        factory: what made the model.
        recipe: what was done to the model since.
        parent: the artifact that it was made from.
    """
    write_tensors({name: variable.numpy() for name, variable in kept(model).items()}, draft / WEIGHTS)
    outputs = np.asarray(tf.cast(model(sample[:1], training=False), tf.float32))
    return write_artifact(
        draft,
        Description(
            name=name,
            format=FORMAT,
            model=factory,
            inputs=[signature("input", sample)],
            outputs=[signature("output", outputs)],
            recipe=recipe,
            parent=parent,
            tools={"tensorflow": tf.__version__, "keras": keras.__version__, "safetensors": safetensors.__version__},
        ),
    )


def load_model(artifact: Artifact, factory: Factory, precision: Precision = "fp32") -> Any:
    """The artifact's model: made by `factory`, filled with the weights.

    The factory comes from the job's configuration, since one from artifact.json could name any callable there is.

    Raises:
        ConfigurationError: the artifact's model was made by another factory or with other arguments, or the artifact
            is not a Keras model.
        ArtifactError: the weights are not those of such a model.
    """
    check_origin(artifact.description, factory)
    sample = example(artifact.description)
    return filled(make_network(factory, "spec.model", sample, precision), artifact, sample)


def filled(model: Any, artifact: Artifact, sample: Array) -> Any:
    """The model as its factory made it, with the artifact's weights, and only the channels that these have.

    Raises:
        ArtifactError: they are not those of such a model.
    """
    shapes = read_shapes(artifact.description, kept(model))
    try:
        model = narrowed(model, shapes, sample)
        assign_tensors(kept(model), read_tensors(artifact.file(".safetensors")))
    except SafetensorError as error:
        raise ArtifactError(f"{WEIGHTS} is not a safetensors file: {error}") from error
    except ValueError as error:
        raise unfit_weights(error) from error
    return model


def example(description: Description) -> Array:
    """A batch of one of what the artifact's model takes, without content."""
    return np.zeros(example_shape(description), description.inputs[0].dtype)
