"""A JAX model as pruning sees it."""

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import numpy as np

from trainwright_trainers.chain.channels import Arrays, Structure
from trainwright_trainers.data import Array
from trainwright_trainers.jax.artifacts import Model, of_stored, stored
from trainwright_trainers.jax.channels import structure_of
from trainwright_trainers.jax.trees import flatten, map_named


@dataclass(frozen=True)
class Candidate:
    """As `chain.prune.method.Prunable`."""

    model: Model

    @cached_property
    def arrays(self) -> Arrays:
        """As `Prunable`."""
        return {name: np.asarray(array) for name, array in flatten(stored(self.model.variables)).items()}

    @cached_property
    def structure(self) -> Structure:
        """As `Prunable`."""
        return structure_of(self.model)

    def made_of(self, arrays: Arrays) -> "Candidate":
        """As `Prunable`."""
        variables = of_stored(map_named(lambda name, _: arrays[name], stored(self.model.variables)))
        shapes = {name: array.shape for name, array in arrays.items()}
        return Candidate(replace(self.model, network=self.model.network.with_shapes(shapes), variables=variables))

    def run(self, inputs: Array) -> jax.Array:
        """As `Prunable`."""
        return self.model.run(inputs)
