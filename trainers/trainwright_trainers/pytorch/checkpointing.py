"""A training's whole state, to and from a checkpoint: safetensors and JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from trainwright_trainers.data.order import Position
from trainwright_trainers.pytorch import randomness
from trainwright_trainers.pytorch.processes import Processes
from trainwright_trainers.pytorch.trees import Json, Snapshots, flatten, unflatten
from trainwright_trainers.runtime.checkpoints import Checkpoint, Checkpoints
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.saving import BackgroundSaver

TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass
class TrainingState:
    """Everything that a training goes on from, but for the random numbers' states."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler | None
    scaler: torch.amp.GradScaler
    position: Position = field(default_factory=Position)
    step: int = 0
    """Optimizer steps done."""

    def written(self) -> tuple[Json, dict[str, Tensor]]:
        """The state as JSON and tensors; the tensors are the live ones.

        Raises:
            ConfigurationError: the model's own state can't be written without a pickle.
        """
        tensors: dict[str, Tensor] = {}
        tree = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule is not None else None,
            "scaler": self.scaler.state_dict(),
            "position": {"epoch": self.position.epoch, "samples": self.position.samples},
            "step": self.step,
        }
        try:
            return {name: flatten(part, name, tensors) for name, part in tree.items()}, tensors
        except TypeError as error:
            raise ConfigurationError(f"spec.model: the state {error}, which a checkpoint can't hold") from error

    def read(self, written: Json, tensors: dict[str, Tensor]) -> None:
        """Take on a state that was written.

        Raises:
            ConfigurationError: it is that of another model or optimizer.
        """
        tree = {name: unflatten(part, tensors) for name, part in written.items()}
        try:
            self.model.load_state_dict(tree["model"])
            self.optimizer.load_state_dict(tree["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(
                "spec.model: the step's checkpoint is that of another model or optimizer; a changed step needs a new"
                f" name: {error}"
            ) from error
        if self.schedule is not None:
            self.schedule.load_state_dict(tree["schedule"])
        self.scaler.load_state_dict(tree["scaler"])
        self.position = Position(**tree["position"])
        self.step = tree["step"]


class Checkpointing:
    """Saves the state of all processes and restores it. Every method is collective; the first process writes.

    Attributes:
        saver: writes in the background.
        size_bytes: of the last checkpoint that was written by this process.
    """

    def __init__(self, checkpoints: Checkpoints, processes: Processes) -> None:
        self._checkpoints = checkpoints
        self._processes = processes
        self._snapshots = Snapshots()
        self.saver = BackgroundSaver()
        self.size_bytes = 0

    def save(self, state: TrainingState) -> None:
        """Copy the state and begin to write it."""
        random_states = self._processes.gather(randomness.capture(self._processes.device))
        if not self._processes.first:
            return
        self.saver.wait()
        written, tensors = state.written()
        snapshot = self._snapshots.take(tensors | {"random": random_states})
        step = state.step

        def write(directory: Path) -> None:
            (directory / STATE).write_text(json.dumps(written), encoding="utf-8")
            write_tensors(snapshot.tensors(), directory / TENSORS)
            self.size_bytes = sum(path.stat().st_size for path in directory.iterdir())

        self.saver.submit(step, lambda: self._checkpoints.save(step, write))

    def restore(self, state: TrainingState) -> tuple[int | None, list[str]]:
        """Go on from the newest whole checkpoint.

        Returns:
            Its optimizer step, None when there is none; and notes on damaged ones that were passed over.
        """
        newest, notes = self._checkpoints.newest() if self._processes.first else (None, [])
        chosen = torch.tensor([newest.step if newest else -1])
        self._processes.synchronize(iter([chosen]))
        step = int(chosen)
        if step >= 0:
            self._read(newest or self._checkpoints.read(step), state)
        if self._processes.first:
            self._checkpoints.drop_after(step)
        return (step if step >= 0 else None), notes

    def _read(self, checkpoint: Checkpoint, state: TrainingState) -> None:
        tensors = safetensors.torch.load_file(checkpoint.directory / TENSORS)
        random_states = tensors.pop("random")
        state.read(json.loads((checkpoint.directory / STATE).read_text(encoding="utf-8")), tensors)
        if self._processes.rank < len(random_states):  # else there are more processes now, and its seed is as good
            randomness.restore(random_states[self._processes.rank], self._processes.device)


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file; an OSError when that fails, as on a full disk."""
    try:
        safetensors.torch.save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
