"""MXNet's part in the training loop."""

from typing import Any

from trainwright_trainers.mxnet.checkpointing import Checkpointing, TrainingState
from trainwright_trainers.mxnet.feeding import Batch, Feeder
from trainwright_trainers.mxnet.processes import Processes, gpu_memory
from trainwright_trainers.mxnet.scoring import Scorer
from trainwright_trainers.mxnet.stepping import Step
from trainwright_trainers.runtime.engine import StatefulEngine
from trainwright_trainers.runtime.reporting import Score
from trainwright_trainers.runtime.training import Readings


class MxnetEngine(StatefulEngine[TrainingState, Batch]):
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
        self._tell_norm = tell_norm
        self._device = processes.device
        self._told: list[tuple[Any, float, Any]] = []

    def optimize(self, batch: Batch) -> None:
        """One optimizer step."""
        self._told.append(self._step(batch, self._state.step))
        self._state.step += 1

    def read(self) -> Readings:
        """What the steps since the last reading told."""
        losses = [float(loss.asscalar()) for loss, _, _ in self._told]
        rates = [rate for _, rate, _ in self._told]
        norm = float(self._told[-1][2].asscalar()) if self._tell_norm else None
        self._told.clear()
        return Readings(losses, rates, norm, gpu_memory(self._device))

    def score(self) -> Score:
        """The model on the validation split."""
        return self._scorer.score()
