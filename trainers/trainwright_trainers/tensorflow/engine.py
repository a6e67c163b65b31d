"""TensorFlow's part in the training loop."""

from typing import Any

import numpy as np

from trainwright_trainers.runtime.engine import StatefulEngine
from trainwright_trainers.runtime.reporting import Score
from trainwright_trainers.runtime.training import Readings
from trainwright_trainers.tensorflow.checkpointing import Checkpointing, TrainingState
from trainwright_trainers.tensorflow.feeding import Batch, Feeder
from trainwright_trainers.tensorflow.processes import Processes, gpu_memory
from trainwright_trainers.tensorflow.scoring import Scorer
from trainwright_trainers.tensorflow.stepping import Step


class TensorFlowEngine(StatefulEngine[TrainingState, Batch]):
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
        super().__init__(state, feeder, checkpointing, processes)
        self._step = step
        self._scorer = scorer
        self._watch = processes.watch
        self._tell_norm = tell_norm
        self._told: list[Any] = []

    def optimize(self, batch: Batch) -> None:
        """One optimizer step."""
        self._watch.beat()
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
            gpu_memory_bytes=gpu_memory(),
        )

    def score(self) -> Score:
        """The model on the validation split."""
        return self._scorer.score()
