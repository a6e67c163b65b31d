"""A training's whole state, to and from a checkpoint: safetensors and JSON."""

import json
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim.lr_scheduler import LRScheduler

from trainwright_trainers.data.order import Course, Position
from trainwright_trainers.pytorch import randomness
from trainwright_trainers.pytorch.processes import Processes
from trainwright_trainers.pytorch.trees import Json, Snapshots, flatten, unflatten
from trainwright_trainers.runtime.checkpointing import STATE, TENSORS, other_training, restore_newest
from trainwright_trainers.runtime.checkpoints import Checkpoint, Checkpoints
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.saving import BackgroundSaver


@dataclass
class TrainingState:
    """Everything that a training goes on from, but for the random numbers' states."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler | None
    scaler: torch.amp.GradScaler
    course: Course
    position: Position = field(default_factory=Position)
    step: int = 0
    """Optimizer steps done."""

    def written(self, *, sharded: bool = False) -> tuple[Json, dict[str, Tensor]]:
        """The state as JSON and tensors; the tensors are the live ones.

        Args:
            sharded: whether the optimizer's state goes by the names of the weights, which are the same at any number of
                processes. An optimizer without a state gets one.

        Raises:
            ConfigurationError: the model's own state can't be written without a pickle.
        """
        tensors: dict[str, Tensor] = {}
        tree = {
            "model": self.model.state_dict(),
            "optimizer": get_optimizer_state_dict(self.model, self.optimizer)
            if sharded
            else self.optimizer.state_dict(),
            "batch_size": self.course.batch_size,
            "schedule": self.schedule.state_dict() if self.schedule is not None else None,
            "scaler": self.scaler.state_dict(),
            "position": {"epoch": self.position.epoch, "samples": self.position.samples},
            "step": self.step,
        }
        try:
            return {name: flatten(part, name, tensors) for name, part in tree.items()}, tensors
        except TypeError as error:
            raise ConfigurationError(f"spec.model: the state {error}, which a checkpoint can't hold") from error

    def read(self, written: Json, tensors: dict[str, Tensor], *, sharded: bool = False) -> None:
        """Take on a state that was written.

        Where the batch was another size then, since it follows the number of processes, the rates are those for this
        size, and the schedule stands where it would if the training had had it from the beginning.

        Raises:
            ConfigurationError: it is that of another model or optimizer.
        """
        tree = {name: unflatten(part, tensors) for name, part in written.items()}
        made = [
            {key: value for key, value in group.items() if key != "params"} for group in self.optimizer.param_groups
        ]
        try:
            self.model.load_state_dict(tree["model"])
            if sharded:
                set_optimizer_state_dict(self.model, self.optimizer, tree["optimizer"])
            else:
                self.optimizer.load_state_dict(tree["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise other_training(error) from error
        self.scaler.load_state_dict(tree["scaler"])
        self.position = Position(**tree["position"])
        self.step = tree["step"]
        if tree["batch_size"] == self.course.batch_size:
            if self.schedule is not None:
                self.schedule.load_state_dict(tree["schedule"])
            return
        for group, settings in zip(self.optimizer.param_groups, made, strict=True):
            group.update(settings)
        self._follow_schedule()

    def _follow_schedule(self) -> None:
        """Bring a new schedule to the present position."""
        if self.schedule is None:
            return
        with warnings.catch_warnings():
            # It warns that the optimizer has not made these steps.
            warnings.simplefilter("ignore", UserWarning)
            for _ in range(self.course.steps_before(self.position)):
                self.schedule.step()


class Saves(Protocol):
    """Saves the state of all processes and restores it. Every method is collective."""

    saver: BackgroundSaver
    """Writes in the background."""
    size_bytes: int
    """Of the last checkpoint, as far as this process wrote it."""

    def save(self, state: TrainingState) -> None:
        """Copy the state and begin to write it."""

    def restore(self, state: TrainingState) -> tuple[int | None, list[str]]:
        """Go on from the newest whole checkpoint.

        Returns:
            Its optimizer step, None when there is none; and notes on damaged ones that were passed over.
        """
        ...


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

        def read(step: int, newest: Checkpoint | None) -> None:
            self._read(newest or self._checkpoints.read(step), state)

        return restore_newest(self._checkpoints, self._processes.first, partial(agree, self._processes), read)

    def _read(self, checkpoint: Checkpoint, state: TrainingState) -> None:
        tensors = safetensors.torch.load_file(checkpoint.directory / TENSORS)
        random_states = tensors.pop("random")
        state.read(json.loads((checkpoint.directory / STATE).read_text(encoding="utf-8")), tensors)
        restore_random(random_states, self._processes)


def agree(processes: Processes, number: int) -> int:
    """The first process' number, in all; collective."""
    chosen = torch.tensor([number])
    processes.synchronize(iter([chosen]))
    return int(chosen)


def restore_random(states: Tensor, processes: Processes) -> None:
    """Go on with this process' random numbers; where there are more processes now, a new one's seed is as good."""
    if processes.rank < len(states):
        randomness.restore(states[processes.rank], processes.device)


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file; an OSError when that fails, as on a full disk."""
    try:
        safetensors.torch.save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
