"""A Keras model as an artifact: weights in safetensors, and in artifact.json how to make the model around them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors.numpy
import tensorflow as tf
from safetensors import SafetensorError

from trainwright.api.base import JsonObject
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array
from trainwright_trainers.runtime.artifacts import (
    Artifact,
    ArtifactError,
    Description,
    Parent,
    Signature,
    write_artifact,
)
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.tensorflow.networks import kept, make_network
from trainwright_trainers.tensorflow.tensors import assign_tensors, write_tensors

FORMAT = "safetensors"
WEIGHTS = "model.safetensors"


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
            inputs=[_signature("input", sample)],
            outputs=[_signature("output", outputs)],
            recipe=recipe,
            parent=parent,
            tools={"tensorflow": tf.__version__, "keras": keras.__version__, "safetensors": safetensors.__version__},
        ),
    )


def load_model(artifact: Artifact, factory: Factory) -> Any:
    """The artifact's model: made by `factory`, filled with the weights.

    The factory comes from the job's configuration, since one from artifact.json could name any callable there is.

    Raises:
        ConfigurationError: the artifact's model was made by another factory or with other arguments, or the artifact
            is not a Keras model.
        ArtifactError: the weights are not those of such a model.
    """
    model = make_network(_checked(artifact, factory), "spec.model", example(artifact.description))
    fill(model, artifact)
    return model


def fill(model: Any, artifact: Artifact) -> None:
    """Give the model the artifact's weights.

    Raises:
        ArtifactError: they are not those of such a model.
    """
    try:
        assign_tensors(kept(model), safetensors.numpy.load_file(artifact.file(".safetensors")))
    except SafetensorError as error:
        raise ArtifactError(f"{WEIGHTS} is not a safetensors file: {error}") from error
    except ValueError as error:
        raise ArtifactError(
            f"the weights don't fit the model: {error}; spec.model must be what the weights were trained with"
        ) from error


def example(description: Description) -> Array:
    """A batch of one of what the artifact's model takes, without content."""
    taken = description.inputs[0]
    if not all(isinstance(size, int) for size in taken.shape[1:]):
        raise ArtifactError(f"the model's input {taken.name} has the shape {taken.shape}; only its first may vary")
    return np.zeros((1, *map(int, taken.shape[1:])), taken.dtype)


def _checked(artifact: Artifact, factory: Factory) -> Factory:
    description = artifact.description
    if description.format != FORMAT:
        raise ConfigurationError(
            f"the artifact of step {description.name!r} has the format {description.format}; this step needs a"
            f" {FORMAT} model: put it before the step that converts the model"
        )
    if description.model != factory:
        raise ConfigurationError(
            f"spec.model is {factory.to_dict()}, but the model of step {description.name!r} was made by"
            f" {description.model.to_dict()}: its weights only fit the same factory with the same arguments"
        )
    return factory


def _signature(name: str, batch: Array) -> Signature:
    return Signature(name=name, dtype=batch.dtype.name, shape=["batch", *batch.shape[1:]])
