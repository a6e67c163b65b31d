"""A JAX model as an artifact: weights in safetensors, and in artifact.json how to make the model around them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax
import jax
import numpy as np
import safetensors
from safetensors import SafetensorError

from trainwright.api.base import JsonObject
from trainwright.api.steps import Factory
from trainwright_trainers.chain.weights import (
    FORMAT,
    WEIGHTS,
    check_origin,
    example_shape,
    read_shapes,
    signature,
    unfit_weights,
)
from trainwright_trainers.jax.networks import Network, Variables, make_network
from trainwright_trainers.jax.trees import flatten, map_named, unflatten
from trainwright_trainers.runtime.artifacts import (
    Artifact,
    ArtifactError,
    Description,
    Parent,
    write_artifact,
)
from trainwright_trainers.runtime.tensors import read_tensors, write_tensors


@dataclass(frozen=True)
class Model:
    """A network with its arrays."""

    network: Network
    variables: Variables
    sample: jax.ShapeDtypeStruct
    """What a batch of one input is like, [1, ...]."""

    def run(self, inputs: Any) -> jax.Array:
        """The outputs for a batch, as they are when nothing is trained."""
        outputs, _ = self.network.apply(self.variables, inputs, training=False, key=None)
        return outputs


def write_model(
    draft: Path,
    model: Model,
    *,
    name: str,
    factory: Factory,
    recipe: JsonObject | None = None,
    parent: Parent | None = None,
) -> Artifact:
    """Make an artifact of the model in the directory `draft`.

    Args:
        draft: an empty directory, from `drafted`.
        model: the trained model.
        name: the step that made it.
        factory: what made the model.
        recipe: what was done to the model since.
        parent: the artifact that it was made from.
    """
    write_tensors(flatten(stored(model.variables)), draft / WEIGHTS)
    return write_artifact(
        draft,
        Description(
            name=name,
            format=FORMAT,
            model=factory,
            inputs=[signature("input", model.sample)],
            outputs=[signature("output", jax.eval_shape(model.run, model.sample))],
            recipe=recipe or {},
            parent=parent,
            tools={"jax": jax.__version__, "flax": flax.__version__, "safetensors": safetensors.__version__},
        ),
    )


def load_model(artifact: Artifact, factory: Factory) -> Model:
    """The artifact's model: made by `factory`, filled with the weights.

    The factory comes from the job's configuration, since one from artifact.json could name any callable there is.

    Raises:
        ConfigurationError: the artifact's model was made by another factory or with other arguments, or the artifact
            is not a JAX model.
        ArtifactError: the weights are not those of such a model.
    """
    description = artifact.description
    check_origin(description, factory)
    sample = example(description)
    network = make_network(factory)
    whole = stored(jax.eval_shape(network.initialize, jax.random.key(0), sample))
    shapes = read_shapes(description, flatten(whole))
    try:
        found = unflatten(
            read_tensors(artifact.file(".safetensors")),
            map_named(lambda name, array: jax.ShapeDtypeStruct(shapes.get(name, array.shape), array.dtype), whole),
        )
    except SafetensorError as error:
        raise ArtifactError(f"{WEIGHTS} is not a safetensors file: {error}") from error
    except ValueError as error:
        raise unfit_weights(error) from error
    return Model(network.with_shapes(shapes), of_stored(found), sample)


def example(description: Description) -> jax.ShapeDtypeStruct:
    """A batch of one of what the artifact's model takes, without content."""
    return jax.ShapeDtypeStruct(example_shape(description), np.dtype(description.inputs[0].dtype))


def stored(variables: Variables) -> dict[str, Any]:
    """The arrays under the names that they have in the file."""
    return {"parameters": variables.parameters, "state": variables.state}


def of_stored(arrays: Mapping[str, Any]) -> Variables:
    """The variables that `stored` was made from."""
    return Variables(arrays["parameters"], arrays["state"])
