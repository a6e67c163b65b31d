"""A training's whole state, to and from a checkpoint: safetensors and JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright_trainers.data.order import Position
from trainwright_trainers.mxnet.networks import kept
from trainwright_trainers.mxnet.optimization import Optimization
from trainwright_trainers.mxnet.tensors import assign_tensors
from trainwright_trainers.runtime import checkpointing
from trainwright_trainers.runtime.checkpointing import other_training
from trainwright_trainers.runtime.tensors import read_tensors, write_tensors


@dataclass
class TrainingState:
    """Everything that a training goes on from. Random numbers follow from the seed and the step."""

    model: Any
    optimization: Optimization
    position: Position = field(default_factory=Position)
    step: int = 0
    """Optimizer steps done."""

    @property
    def arrays(self) -> dict[str, Any]:
        """The NDArrays that an optimizer step changes, by name; the same in all processes."""
        return kept(self.model) | self.optimization.arrays


class Checkpointing(checkpointing.Checkpointing[TrainingState]):
    """Saves the state of all processes and restores it."""

    def copy(self, state: TrainingState) -> Callable[[Path], None]:
        """Copy the arrays."""
        copies = {name: values.asnumpy() for name, values in state.arrays.items()}
        return lambda path: write_tensors(copies, path)

    def read(self, path: Path, state: TrainingState) -> None:
        """Give the arrays the values in a file."""
        try:
            assign_tensors(state.arrays, read_tensors(path))
        except ValueError as error:
            raise other_training(error) from error
