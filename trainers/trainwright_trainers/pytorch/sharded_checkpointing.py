"""A sharded training's state: every process writes its part, and any number of processes can go on from them.

torch.distributed.checkpoint plans, writes and reads the parts. Its own format keeps a pickle beside them, so they are
written in its other one: safetensors, whose headers tell which part of which tensor a file holds.
"""

import json
import warnings
from functools import partial
from pathlib import Path

import safetensors.torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from trainwright_trainers.pytorch import randomness
from trainwright_trainers.pytorch.checkpointing import TrainingState, agree, restore_random, write_tensors
from trainwright_trainers.pytorch.processes import Processes
from trainwright_trainers.pytorch.sharding import own_part
from trainwright_trainers.pytorch.trees import Snapshot, Snapshots
from trainwright_trainers.runtime.checkpointing import STATE, TENSORS, other_training, restore_newest
from trainwright_trainers.runtime.checkpoints import Checkpoints
from trainwright_trainers.runtime.saving import BackgroundSaver

RANDOM = "random.safetensors"


class ShardedCheckpointing:
    """Saves the state of all processes and restores it, each its own part. Every method is collective."""

    def __init__(self, checkpoints: Checkpoints, processes: Processes) -> None:
        self._checkpoints = checkpoints
        self._processes = processes
        self._snapshots = Snapshots()
        self.saver = BackgroundSaver()
        self.size_bytes = 0
        alone = processes.size == 1
        self._mesh = None if alone else init_device_mesh("cpu", (processes.size,))
        # The threads that write agree among themselves, while the training does.
        self._group = None if alone else dist.new_group(backend="gloo")

    def save(self, state: TrainingState) -> None:
        """Copy the state and begin to write it."""
        self.saver.wait()
        random_states = self._processes.gather(randomness.capture(self._processes.device))
        written, tensors = state.written(sharded=True)
        snapshot = self._snapshots.take({name: own_part(tensor).detach() for name, tensor in tensors.items()})
        step, first = state.step, self._processes.first

        def write(directory: Path) -> None:
            self._write(self._staged(tensors, snapshot), directory)
            if first:
                (directory / STATE).write_text(json.dumps(written), encoding="utf-8")
                write_tensors({"random": random_states}, directory / RANDOM)
                self.size_bytes = sum(path.stat().st_size for path in directory.iterdir())  # the others' parts, too

        def save_part() -> None:
            if first:
                self._checkpoints.save(step, write)
            else:
                write(self._checkpoints.draft(step))

        self.saver.submit(step, save_part)

    def restore(self, state: TrainingState) -> tuple[int | None, list[str]]:
        """Go on from the newest whole checkpoint, whatever number of processes wrote it.

        Returns:
            Its optimizer step, None when there is none; and notes on damaged ones that were passed over.
        """

        def read(step: int, _newest: object) -> None:
            self._read(self._checkpoints.place(step), state)

        return restore_newest(self._checkpoints, self._processes.first, partial(agree, self._processes), read)

    def _write(self, tensors: dict[str, Tensor], directory: Path) -> None:
        """Write this process' part; an OSError when some process could not write its own."""
        if self._group is None:
            write_tensors(tensors, directory / TENSORS)
            return
        writer = HuggingFaceStorageWriter(str(directory), save_distributed=True)
        planner = DefaultSavePlanner(dedup_save_to_lowest_rank=True)
        try:
            save(tensors, storage_writer=writer, planner=planner, process_group=self._group)
        except CheckpointException as error:
            raise OSError(str(next(iter(error.failures.values()))[0])) from error

    def _staged(self, tensors: dict[str, Tensor], snapshot: Snapshot) -> dict[str, Tensor]:
        """The copies in the CPU's memory, which know as the originals do what part of a whole they are."""
        copies = snapshot.tensors()
        return {name: self._like(tensor, copies[name]) for name, tensor in tensors.items()}

    def _like(self, tensor: Tensor, copy: Tensor) -> Tensor:
        if not isinstance(tensor, DTensor) or self._mesh is None:
            return copy
        return DTensor.from_local(
            copy, self._mesh, tensor.placements, shape=tensor.shape, stride=tensor.stride(), run_check=False
        )

    def _read(self, directory: Path, state: TrainingState) -> None:
        written = json.loads((directory / STATE).read_text(encoding="utf-8"))
        _, tensors = state.written(sharded=True)  # they have the shapes of this number of processes, and are filled
        reader = HuggingFaceStorageReader(str(directory))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # it warns of a single process
                load(tensors, storage_reader=reader, process_group=self._group, no_dist=self._group is None)
            state.read(written, tensors, sharded=True)
        except CheckpointException as error:
            raise other_training(next(iter(error.failures.values()))[0]) from error
        restore_random(safetensors.torch.load_file(directory / RANDOM)["random"], self._processes)
