"""JAX's part in the training loop."""

import jax

from trainwright_trainers.jax.checkpointing import Checkpointing, TrainingState
from trainwright_trainers.jax.feeding import Batch, Feeder
from trainwright_trainers.jax.processes import Processes, gpu_memory
from trainwright_trainers.jax.scoring import Scorer
from trainwright_trainers.jax.stepping import Step, Told
from trainwright_trainers.runtime.engine import StatefulEngine
from trainwright_trainers.runtime.reporting import Score
from trainwright_trainers.runtime.training import Readings


class JaxEngine(StatefulEngine[TrainingState, Batch]):
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
        self._told: list[Told] = []

    def optimize(self, batch: Batch) -> None:
        """One optimizer step."""
        state = self._state
        state.learned, told = self._step(state.learned, batch.inputs, batch.targets, batch.weights, state.step)
        self._told.append(told)
        state.step += 1

    def read(self) -> Readings:
        """What the steps since the last reading told."""
        told = jax.device_get(self._told)
        self._told.clear()
        return Readings(
            losses=[float(one.loss) for one in told],
            rates=[float(one.rate) for one in told],
            gradient_norm=float(told[-1].gradient_norm) if self._tell_norm else None,
            gpu_memory_bytes=gpu_memory(),
        )

    def score(self) -> Score:
        """The model on the validation split."""
        return self._scorer.score(self._state.learned.variables)
