"""A training's whole state, to and from a checkpoint: a file of tensors, and a small one that says how far it is."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.data.order import Position
from trainwright_trainers.runtime.checkpoints import Checkpoint, Checkpoints
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.saving import BackgroundSaver

TENSORS, STATE = "tensors.safetensors", "state.json"


class Group(Protocol):
    """The processes that train together."""

    @property
    def first(self) -> bool:
        """Whether this process writes for all."""

    def gather(self, row: Array) -> Array:
        """The rows of all processes: [n] float64 -> [processes, n]; collective."""


class Advanced(Protocol):
    """A training's state, as far as it is the same in every framework."""

    position: Position
    step: int
    """Optimizer steps done."""


State = TypeVar("State", bound=Advanced)


class Checkpointing(ABC, Generic[State]):
    """Saves the state and restores it. `restore` is collective; the first process writes.

    Attributes:
        saver: writes in the background.
        size_bytes: of the last checkpoint that was written by this process.
    """

    def __init__(self, checkpoints: Checkpoints, group: Group) -> None:
        self._checkpoints = checkpoints
        self._group = group
        self.saver = BackgroundSaver()
        self.size_bytes = 0

    @abstractmethod
    def copy(self, state: State) -> Callable[[Path], None]:
        """Copy the state's tensors; what is returned writes the copies to a file, in another thread."""

    @abstractmethod
    def read(self, path: Path, state: State) -> None:
        """Take on the tensors in a file.

        Raises:
            ConfigurationError: they are those of another model or optimizer.
        """

    def save(self, state: State) -> None:
        """Copy the state and begin to write it."""
        if not self._group.first:
            return
        self.saver.wait()
        write_tensors = self.copy(state)
        step, position = state.step, {"epoch": state.position.epoch, "samples": state.position.samples}

        def write(directory: Path) -> None:
            (directory / STATE).write_text(json.dumps({"step": step, "position": position}), encoding="utf-8")
            write_tensors(directory / TENSORS)
            self.size_bytes = sum(path.stat().st_size for path in directory.iterdir())

        self.saver.submit(step, lambda: self._checkpoints.save(step, write))

    def restore(self, state: State) -> tuple[int | None, list[str]]:
        """Go on from the newest whole checkpoint, whatever number of processes wrote it.

        Returns:
            Its optimizer step, None when there is none; and notes on damaged ones that were passed over.
        """

        def read(step: int, newest: Checkpoint | None) -> None:
            self._read(newest or self._checkpoints.read(step), state)

        return restore_newest(self._checkpoints, self._group.first, self._agree, read)

    def _agree(self, number: int) -> int:
        """The first process' number, in all; collective."""
        return int(self._group.gather(np.array([number], np.float64))[0, 0])

    def _read(self, checkpoint: Checkpoint, state: State) -> None:
        written: dict[str, Any] = json.loads((checkpoint.directory / STATE).read_text(encoding="utf-8"))
        self.read(checkpoint.directory / TENSORS, state)
        state.position = Position(**written["position"])
        state.step = written["step"]


def restore_newest(
    checkpoints: Checkpoints,
    first: bool,
    agree: Callable[[int], int],
    read: Callable[[int, Checkpoint | None], None],
) -> tuple[int | None, list[str]]:
    """Have all processes go on from the newest whole checkpoint, and remove what is newer; collective.

    Args:
        checkpoints: the step's.
        first: whether this is the process that looks for it.
        agree: gives the first process' number to all.
        read: takes on the checkpoint of a step; the first process has found it whole already.

    Returns:
        Its optimizer step, None when there is none; and notes on damaged ones that were passed over.
    """
    newest, notes = checkpoints.newest() if first else (None, [])
    step = agree(newest.step if newest else -1)
    if step >= 0:
        read(step, newest)
    if first:
        checkpoints.drop_after(step)
    return (step if step >= 0 else None), notes


def other_training(error: BaseException) -> ConfigurationError:
    """What a checkpoint that doesn't fit means."""
    return ConfigurationError(
        "spec.model: the step's checkpoint is that of another model or optimizer; a changed step needs a new"
        f" name: {error}"
    )
