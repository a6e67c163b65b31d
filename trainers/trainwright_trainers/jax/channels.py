"""Which channels of a JAX model belong together."""

from dataclasses import replace

import jax

from trainwright_trainers.chain.axes import Shape, fix
from trainwright_trainers.chain.channels import Structure, structure_from
from trainwright_trainers.jax.artifacts import Model, of_stored, stored
from trainwright_trainers.jax.following import Follower
from trainwright_trainers.jax.networks import PARAMETERS
from trainwright_trainers.jax.trees import flatten

INPUT = "input"


def structure_of(model: Model) -> Structure:
    """Follow the model's operations on one input."""

    def run(variables: object, inputs: jax.Array) -> jax.Array:
        return replace(model, variables=of_stored(variables)).run(inputs)  # type: ignore[arg-type]

    arrays = stored(model.variables)
    shapes = {name: Shape.new(array.shape) for name, array in flatten(arrays).items()}
    follower = Follower()
    sample = Shape.new(model.sample.shape, fixed=True)
    (output,) = follower.follow(jax.make_jaxpr(run)(arrays, model.sample), {**shapes, INPUT: sample})
    cuttable = model.network.cuttable(model.variables, model.sample)
    for name, shape in shapes.items():
        for number, dimension in enumerate(shape.dimensions):
            if number not in cuttable.get(name, ()):
                fix(dimension)
    layers = {name: layer for name, layer in follower.layers.items() if name != INPUT}
    structure = structure_from(shapes, layers, output)
    whole = [name.removeprefix(f"{PARAMETERS}/").removesuffix("/kernel") for name in structure.whole]
    return replace(structure, whole=whole)
