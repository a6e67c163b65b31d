"""A training's whole state, to and from a checkpoint: safetensors and JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from trainwright_trainers.data.order import Position
from trainwright_trainers.jax.networks import Tree, Variables
from trainwright_trainers.jax.processes import Processes, local, place
from trainwright_trainers.jax.trees import flatten, unflatten
from trainwright_trainers.runtime import checkpointing
from trainwright_trainers.runtime.checkpointing import other_training
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.tensors import read_tensors, write_tensors


class Learned(NamedTuple):
    """What an optimizer step changes: the same on all devices, but for what is split over those that hold one model."""

    variables: Variables
    optimizer: Tree


@dataclass
class TrainingState:
    """Everything that a training goes on from. Random numbers follow from the seed and the step."""

    learned: Learned
    position: Position = field(default_factory=Position)
    step: int = 0
    """Optimizer steps done."""


class Checkpointing(checkpointing.Checkpointing[TrainingState]):
    """Saves the state of all devices and restores it."""

    def __init__(self, checkpoints: Checkpoints, processes: Processes) -> None:
        super().__init__(checkpoints, processes)
        self._processes = processes

    def save(self, state: TrainingState) -> None:
        """Copy the state and begin to write it; collective where the model is split over devices."""
        super().save(replace(state, learned=self._processes.whole(state.learned)))

    def copy(self, state: TrainingState) -> Callable[[Path], None]:
        """Copy the state on its device; the copy is ready when the steps before it are."""
        copies = jax.tree.map(jnp.copy, local(state.learned))
        return lambda path: write_tensors(flatten(copies), path)

    def read(self, path: Path, state: TrainingState) -> None:
        """Take on the tensors in a file."""
        try:
            learned = unflatten(read_tensors(path), state.learned)
        except ValueError as error:
            raise other_training(error) from error
        state.learned = place(learned, jax.tree.map(lambda array: array.sharding, state.learned))
