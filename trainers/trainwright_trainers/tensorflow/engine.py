"""TensorFlow's part in the training loop."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from trainwright_trainers.data import Array
from trainwright_trainers.data.order import Position
from trainwright_trainers.runtime.reporting import Score
from trainwright_trainers.runtime.training import Readings
from trainwright_trainers.tensorflow.checkpointing import Checkpointing, TrainingState
from trainwright_trainers.tensorflow.feeding import Batch, Feeder
from trainwright_trainers.tensorflow.processes import Processes
from trainwright_trainers.tensorflow.scoring import Scorer
from trainwright_trainers.tensorflow.stepping import Step


class TensorFlowEngine:
    """Carries out the loop's wishes; see `runtime.training.Engine`."""

    def __init__(
        self,
        state: TrainingState,
        step: Step,
        feeder: Feeder,
        scorer: Scorer,
        checkpointing: Checkpointing,
        processes: Processes,
        *,
        tell_norm: bool,
    ) -> None:
        self._state = state
        self._step = step
        self._feeder = feeder
        self._scorer = scorer
        self._checkpointing = checkpointing
        self._processes = processes
        self._tell_norm = tell_norm
        self._told: list[Any] = []

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self._state.step

    @property
    def position(self) -> Position:
        """How far the training is in its data."""
        return self._state.position

    @position.setter
    def position(self, position: Position) -> None:
        self._state.position = position

    def batches(self) -> Iterator[Batch]:
        """The batches from the position to the end of its epoch."""
        return self._feeder.epoch(self._state.position)

    def optimize(self, batch: Batch) -> None:
        """One optimizer step."""
        self._told.append(self._step(batch.parts, np.int64(self._state.step)))
        self._state.step += 1

    def read(self) -> Readings:
        """What the steps since the last reading told."""
        told = np.stack([one.numpy() for one in self._told])
        self._told.clear()
        return Readings(
            losses=told[:, 0].tolist(),
            rates=told[:, 1].tolist(),
            gradient_norm=float(told[-1, 2]) if self._tell_norm else None,
            gpu_memory_bytes=_gpu_memory(),
        )

    def gather(self, row: Array) -> Array:
        """The rows of all processes."""
        return self._processes.gather(row)

    def score(self) -> Score:
        """The model on the validation split."""
        return self._scorer.score()

    def save(self) -> None:
        """Begin to save a checkpoint."""
        self._checkpointing.save(self._state)

    @property
    def checkpoint_bytes(self) -> int:
        """Size of the last checkpoint that this process wrote."""
        return self._checkpointing.size_bytes


def _gpu_memory() -> float | None:
    """Bytes that this process holds of its GPUs."""
    gpus = tf.config.list_logical_devices("GPU")
    return float(sum(tf.config.experimental.get_memory_info(gpu.name)["current"] for gpu in gpus)) if gpus else None
