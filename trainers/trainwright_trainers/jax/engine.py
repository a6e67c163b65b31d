"""JAX's part in the training loop."""

from collections.abc import Iterator

import jax

from trainwright_trainers.data import Array
from trainwright_trainers.data.order import Position
from trainwright_trainers.jax.checkpointing import Checkpointing, TrainingState
from trainwright_trainers.jax.feeding import Batch, Feeder
from trainwright_trainers.jax.processes import Processes
from trainwright_trainers.jax.scoring import Scorer
from trainwright_trainers.jax.stepping import Step, Told
from trainwright_trainers.runtime.reporting import Score
from trainwright_trainers.runtime.training import Readings


class JaxEngine:
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
        self._told: list[Told] = []

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
            gpu_memory_bytes=_gpu_memory(),
        )

    def gather(self, row: Array) -> Array:
        """The rows of all processes."""
        return self._processes.gather(row)

    def score(self) -> Score:
        """The model on the validation split."""
        return self._scorer.score(self._state.learned.variables)

    def save(self) -> None:
        """Begin to save a checkpoint."""
        self._checkpointing.save(self._state)

    @property
    def checkpoint_bytes(self) -> int:
        """Size of the last checkpoint that this process wrote."""
        return self._checkpointing.size_bytes


def _gpu_memory() -> float | None:
    """Bytes that this process holds of its GPUs."""
    found = [device.memory_stats() for device in jax.local_devices() if device.platform == "gpu"]
    return sum(stats["bytes_in_use"] for stats in found if stats) if found else None
