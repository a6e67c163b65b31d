"""The training loop of every framework: when the processes meet, save, measure, report and stop."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from trainwright.api.steps import Train
from trainwright_trainers.data import Array
from trainwright_trainers.data.order import Position, steps_left
from trainwright_trainers.runtime.errors import NonFiniteLossError
from trainwright_trainers.runtime.pace import Pace
from trainwright_trainers.runtime.progress import Progress
from trainwright_trainers.runtime.reporting import Reporter, Score, Stretch
from trainwright_trainers.runtime.saving import BackgroundSaver
from trainwright_trainers.runtime.stop import StopRequest


class HasSamples(Protocol):
    """A batch."""

    @property
    def samples(self) -> int:
        """Samples of the global batch."""


Batch = TypeVar("Batch", bound=HasSamples)


@dataclass(frozen=True)
class Readings:
    """What the optimizer steps since the last reading gave."""

    losses: Sequence[float]
    """Mean loss of each step's global batch."""
    rates: Sequence[float]
    """Learning rate of each step."""
    gradient_norm: float | None
    """Of the last step, before clipping."""
    gpu_memory_bytes: float | None
    """What this process holds of its GPUs; none without them."""


class Engine(Protocol[Batch]):
    """A framework's part in a training. All but `batches`, `optimize` and `read` is collective."""

    position: Position

    @property
    def step(self) -> int:
        """Optimizer steps done."""

    def batches(self) -> Iterator[Batch]:
        """The batches from the position to the end of its epoch."""

    def optimize(self, batch: Batch) -> None:
        """One optimizer step, which counts `step` on; nothing is waited for."""

    def read(self) -> Readings:
        """Wait for the steps since the last reading."""

    def gather(self, row: Array) -> Array:
        """The rows of all processes: [n] float64 -> [processes, n]."""

    def score(self) -> Score:
        """Measure the model on the validation split."""

    def save(self) -> None:
        """Begin to save a checkpoint."""

    @property
    def checkpoint_bytes(self) -> int:
        """Size of the last checkpoint that this process wrote."""


class Training(Generic[Batch]):
    """One process' part in a training. The processes run it in step, each with its share of every batch."""

    def __init__(
        self,
        engine: Engine[Batch],
        options: Train,
        field: str,
        samples: int,
        saver: BackgroundSaver,
        reporter: Reporter | None,
        progress: Progress,
        stop: StopRequest,
    ) -> None:
        """A training that goes on from the engine's position.

        Args:
            engine: does the work.
            options: how to train.
            field: where the user described it, such as `spec.steps[train].train`.
            samples: of the training split.
            saver: what the engine saves with.
            reporter: of the first process.
            progress: live figures.
            stop: the request to stop.
        """
        self._engine = engine
        self._options = options
        self._field = field
        self._total = samples
        self._saver = saver
        self._reporter = reporter
        self._progress = progress
        self._stop = stop
        self._pace = Pace(engine.step)
        self._samples = 0
        self._waited = 0.0
        self._met_at = time.monotonic()

    def run(self) -> bool:
        """Train to the end of the last epoch, or until all processes agree to stop.

        Returns:
            Whether it was stopped; the state is saved in either case.

        Raises:
            NonFiniteLossError: the loss became infinite or not a number.
        """
        engine, epochs = self._engine, self._options.epochs
        while engine.position.epoch < epochs:
            for batch in self._timed(engine.batches()):
                engine.optimize(batch)
                engine.position = engine.position.after(batch.samples, self._total)
                self._samples += batch.samples
                self._progress.update(step=engine.step)
                if self._look_around():
                    return engine.position.epoch < epochs
        return False

    def _timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches; what waiting for them takes is counted."""
        while True:
            begun = time.perf_counter()
            batch = next(batches, None)
            self._waited += time.perf_counter() - begun
            if batch is None:
                return
            yield batch

    def _look_around(self) -> bool:
        """After an optimizer step, do what is due; whether the training ends here."""
        engine, options = self._engine, self._options
        epoch_ended = engine.position.samples == 0
        finished = epoch_ended and engine.position.epoch == options.epochs
        save = finished or engine.step % options.checkpoint.every_steps == 0
        if not (save or epoch_ended or engine.step == self._pace.next_step):
            return False
        stopping = self._meet() and not finished
        if epoch_ended and not stopping:
            self._score()
        begun = time.monotonic()
        if save or stopping:
            engine.save()
        if finished or stopping:
            self._saver.wait()
        if self._reporter is not None:
            self._reporter.checkpoint(self._saver.seconds, engine.checkpoint_bytes)
            if save or stopping:
                self._reporter.stall(time.monotonic() - begun)
        return finished or stopping

    def _meet(self) -> bool:
        """Read the losses since the last meeting, report them, and agree with all processes whether to stop."""
        readings = self._engine.read()
        now = time.monotonic()
        seconds = (now - self._met_at) / len(readings.losses)
        own = np.array([float(self._stop.requested), float(self._pace.proposal(seconds))])
        rows = self._engine.gather(own)
        self._pace.agree(self._engine.step, int(rows[:, 1].min()))
        self._report(readings, seconds)
        self._met_at, self._samples, self._waited = now, 0, 0.0
        return bool(rows[:, 0].max() > 0)

    def _report(self, readings: Readings, seconds: float) -> None:
        engine, count = self._engine, len(readings.losses)
        first_step = engine.step - count + 1
        self._check_finite(first_step, readings)
        if self._reporter is None:
            return
        stretch = Stretch(
            first_step=first_step,
            epochs=engine.position.epochs(self._total),
            losses=readings.losses,
            rates=readings.rates,
            seconds_per_step=seconds,
            samples_per_second=self._samples / (seconds * count),
            gradient_norm=readings.gradient_norm,
            gpu_memory_bytes=readings.gpu_memory_bytes,
            seconds_waited=self._waited / count,
        )
        left = steps_left(engine.position, self._options.epochs, self._options.batch_size, self._total)
        self._reporter.stretch(stretch, left)

    def _check_finite(self, first_step: int, readings: Readings) -> None:
        for step, (loss, rate) in enumerate(zip(readings.losses, readings.rates, strict=True), start=first_step):
            if not math.isfinite(loss):
                raise NonFiniteLossError(
                    f"{self._field}: the loss of optimizer step {step} is {loss} at a learning rate of {rate:g}; a"
                    " lower optimizer.learningRate, a warm-up, gradientClipping, or inputs of about unit size may help"
                )

    def _score(self) -> None:
        found = self._engine.score()
        if self._reporter is not None:
            self._reporter.epoch(self._engine.position.epoch, self._engine.step, found)
        self._met_at = time.monotonic()
