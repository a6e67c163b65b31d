"""How many weights a model has."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainwright_trainers.data import Array


@dataclass(frozen=True)
class WeightCount:
    """How many weights are stored, and how many of them are not exactly zero."""

    stored: int
    nonzero: int

    @property
    def sparsity(self) -> float:
        """Share of the stored weights that are exactly zero."""
        return 1 - self.nonzero / self.stored if self.stored else 0.0


def count_weights(weights: Iterable[Array]) -> WeightCount:
    """Count the values in all arrays."""
    stored = nonzero = 0
    for array in weights:
        stored += array.size
        nonzero += int(np.count_nonzero(array))
    return WeightCount(stored, nonzero)
