"""A training's whole state, to and from a checkpoint: safetensors and JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright_trainers.data.order import Position
from trainwright_trainers.runtime import checkpointing
from trainwright_trainers.runtime.checkpointing import other_training
from trainwright_trainers.runtime.tensors import read_tensors, write_tensors
from trainwright_trainers.tensorflow.networks import kept
from trainwright_trainers.tensorflow.tensors import assign_tensors


@dataclass
class TrainingState:
    """Everything that a training goes on from. Random numbers follow from the seed and the step."""

    model: Any
    optimizer: Any
    position: Position = field(default_factory=Position)
    step: int = 0
    """Optimizer steps done."""

    @property
    def variables(self) -> dict[str, Any]:
        """What an optimizer step changes, by name; the same on all devices."""
        own = {f"optimizer/{number:04d}": variable for number, variable in enumerate(self.optimizer.variables)}
        return kept(self.model) | own


class Checkpointing(checkpointing.Checkpointing[TrainingState]):
    """Saves the state of all devices and restores it."""

    def copy(self, state: TrainingState) -> Callable[[Path], None]:
        """Copy the variables."""
        copies = {name: variable.numpy() for name, variable in state.variables.items()}
        return lambda path: write_tensors(copies, path)

    def read(self, path: Path, state: TrainingState) -> None:
        """Give the variables the values in a file."""
        try:
            assign_tensors(state.variables, read_tensors(path))
        except ValueError as error:
            raise other_training(error) from error
