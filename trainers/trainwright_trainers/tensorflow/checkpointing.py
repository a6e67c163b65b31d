"""A training's whole state, to and from a checkpoint: safetensors and JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from trainwright_trainers.data.order import Position
from trainwright_trainers.runtime.checkpoints import Checkpoint, Checkpoints
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.saving import BackgroundSaver
from trainwright_trainers.tensorflow.networks import kept
from trainwright_trainers.tensorflow.processes import Processes
from trainwright_trainers.tensorflow.tensors import assign_tensors, write_tensors

TENSORS, STATE = "tensors.safetensors", "state.json"


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


class Checkpointing:
    """Saves the state and restores it. `restore` is collective; the first process writes.

    Attributes:
        saver: writes in the background.
        size_bytes: of the last checkpoint that was written by this process.
    """

    def __init__(self, checkpoints: Checkpoints, processes: Processes) -> None:
        self._checkpoints = checkpoints
        self._processes = processes
        self.saver = BackgroundSaver()
        self.size_bytes = 0

    def save(self, state: TrainingState) -> None:
        """Copy the state and begin to write it."""
        if not self._processes.first:
            return
        self.saver.wait()
        copies = {name: variable.numpy() for name, variable in state.variables.items()}
        step, position = state.step, {"epoch": state.position.epoch, "samples": state.position.samples}

        def write(directory: Path) -> None:
            (directory / STATE).write_text(json.dumps({"step": step, "position": position}), encoding="utf-8")
            write_tensors(copies, directory / TENSORS)
            self.size_bytes = sum(path.stat().st_size for path in directory.iterdir())

        self.saver.submit(step, lambda: self._checkpoints.save(step, write))

    def restore(self, state: TrainingState) -> tuple[int | None, list[str]]:
        """Go on from the newest whole checkpoint, whatever number of processes wrote it.

        Returns:
            Its optimizer step, None when there is none; and notes on damaged ones that were passed over.
        """
        newest, notes = self._checkpoints.newest() if self._processes.first else (None, [])
        chosen = self._processes.gather(np.array([newest.step if newest else -1], np.float64))
        step = int(chosen[0, 0])
        if step >= 0:
            _read(newest or self._checkpoints.read(step), state)
        if self._processes.first:
            self._checkpoints.drop_after(step)
        return (step if step >= 0 else None), notes


def _read(checkpoint: Checkpoint, state: TrainingState) -> None:
    written: dict[str, Any] = json.loads((checkpoint.directory / STATE).read_text(encoding="utf-8"))
    try:
        assign_tensors(state.variables, safetensors.numpy.load_file(checkpoint.directory / TENSORS))
    except ValueError as error:
        raise ConfigurationError(
            "spec.model: the step's checkpoint is that of another model or optimizer; a changed step needs a new"
            f" name: {error}"
        ) from error
    state.position = Position(**written["position"])
    state.step = written["step"]
