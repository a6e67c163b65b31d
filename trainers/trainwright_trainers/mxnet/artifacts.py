"""A Gluon model as an artifact: weights in safetensors, and in artifact.json how to make the model around them."""

from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import safetensors
from safetensors import SafetensorError

from trainwright.api.base import JsonObject
from trainwright.api.steps import Factory
from trainwright_trainers.chain.weights import FORMAT, WEIGHTS, check_origin, example_shape, signature, unfit_weights
from trainwright_trainers.data import Array
from trainwright_trainers.mxnet.networks import kept, make_network
from trainwright_trainers.mxnet.tensors import as_nd, assign_tensors
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError, Description, Parent, write_artifact
from trainwright_trainers.runtime.tensors import read_tensors, write_tensors

TOOLS = {"mxnet": mx.__version__, "safetensors": safetensors.__version__}


def write_model(
    draft: Path, model: Any, sample: Array, *, name: str, factory: Factory, recipe: JsonObject, parent: Parent | None
) -> Artifact:
    """Make an artifact of the model in the directory `draft`.

    Args:
        draft: an empty directory, from `drafted`.
        model: the trained model, on the CPU.
        sample: some inputs, [n, ...].
        name: the step that made it.
        factory: what made the model.
        recipe: what was done to the model since.
        parent: the artifact that it was made from.
    """
    write_tensors({name: values.asnumpy() for name, values in kept(model).items()}, draft / WEIGHTS)
    outputs = model(as_nd(sample[:1])).asnumpy()
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
            tools=TOOLS,
        ),
    )


def load_model(artifact: Artifact, factory: Factory) -> Any:
    """The artifact's model on the CPU: made by `factory`, filled with the weights.

    The factory comes from the job's configuration, since one from artifact.json could name any callable there is.

    Raises:
        ConfigurationError: the artifact's model was made by another factory or with other arguments, or the artifact
            is not a Gluon model.
        ArtifactError: the weights are not those of such a model.
    """
    check_origin(artifact.description, factory)
    model = make_network(factory, "spec.model", example(artifact.description))
    fill(model, artifact)
    return model


def fill(model: Any, artifact: Artifact) -> None:
    """Give the model the artifact's weights.

    Raises:
        ArtifactError: they are not those of such a model.
    """
    try:
        assign_tensors(kept(model), read_tensors(artifact.file(".safetensors")))
    except SafetensorError as error:
        raise ArtifactError(f"{WEIGHTS} is not a safetensors file: {error}") from error
    except ValueError as error:
        raise unfit_weights(error) from error


def example(description: Any) -> Array:
    """A batch of one of what the artifact's model takes, without content."""
    return np.zeros(example_shape(description), description.inputs[0].dtype)
