"""What the first process tells of a training: the history on disk, and live figures."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.history import History
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.progress import Progress, memory_bytes


@dataclass(frozen=True)
class Score:
    """How well a model answers."""

    loss: float
    """Mean over the samples."""

    accuracy: float | None
    """Share of right answers, where the targets are classes."""


@dataclass(frozen=True)
class Stretch:
    """The optimizer steps between two meetings."""

    first_step: int
    epochs: float
    """Passes over the training split done at its end."""
    losses: Sequence[float]
    """Mean loss of each step's global batch."""
    rates: Sequence[float]
    """Learning rate of each step."""
    seconds_per_step: float
    samples_per_second: float
    """Over all processes."""
    gradient_norm: float | None
    """Of the last step, before clipping; only known when gradients are clipped."""
    gpu_memory_bytes: float | None
    """What this process holds of its GPUs; none without them."""
    seconds_waited: float | None = None
    """How long this process waited for its data in each step, on the mean, where that is known."""


class Reporter:
    """Writes the history and keeps the live figures."""

    def __init__(self, history: History, progress: Progress, losses: Losses | None = None) -> None:
        self._history = history
        self._progress = progress
        self._losses = losses

    def stretch(self, stretch: Stretch, steps_left: int) -> None:
        """Report some optimizer steps, with so many left to do."""
        shared: dict[str, float] = {
            "samplesPerSecond": round(stretch.samples_per_second, 1),
            "memoryBytes": memory_bytes(),
            "time": round(time.time(), 3),
        }
        if stretch.gpu_memory_bytes is not None:
            shared["gpuMemoryBytes"] = stretch.gpu_memory_bytes
            self._progress.update(gpu_memory_bytes=stretch.gpu_memory_bytes)
        steps = zip(stretch.losses, stretch.rates, strict=True)
        self._history.append(
            {"step": step, "loss": loss if math.isfinite(loss) else None, "learningRate": rate, **shared}
            for step, (loss, rate) in enumerate(steps, start=stretch.first_step)
        )
        step = stretch.first_step + len(stretch.losses) - 1
        self._progress.update(
            step=step,
            epoch=stretch.epochs,
            loss=stretch.losses[-1],
            learning_rate=stretch.rates[-1],
            samples_per_second=stretch.samples_per_second,
            step_seconds=stretch.seconds_per_step,
            progress_ratio=step / (step + steps_left),
            eta_seconds=steps_left * stretch.seconds_per_step,
        )
        if stretch.seconds_waited is not None:
            self._progress.update(data_wait_seconds=stretch.seconds_waited)
        if stretch.gradient_norm is not None:
            self._progress.update(gradient_norm=stretch.gradient_norm)

    def epoch(self, epoch: int, step: int, score: Score) -> None:
        """Report the end of an epoch, the `epoch`-th."""
        record: dict[str, float] = {"step": step, "epoch": epoch, "validationLoss": score.loss}
        if score.accuracy is not None:
            record["accuracy"] = score.accuracy
            self._progress.update(accuracy=score.accuracy)
        self._history.append([record])
        LOG.info("epoch %d, step %d: validation loss %.4g, accuracy %s", epoch, step, score.loss, score.accuracy)

    def checkpoint(self, seconds: float, size_bytes: int | None = None) -> None:
        """Report how long the last checkpoint took to write in the background, and how large it is."""
        self._progress.update(checkpoint_seconds=seconds)
        if size_bytes is not None:
            self._progress.update(checkpoint_bytes=size_bytes)

    def stall(self, seconds: float) -> None:
        """Report how long the training stood still for a checkpoint that is being written now."""
        if self._losses is not None:
            self._losses.add("checkpoint", seconds)
            self._losses.save()


def begin_reporting(step: StepContext, losses: Losses | None, training_step: int, *, resumed: bool) -> Reporter:
    """Cut the history where the training goes on, say in the journal what that undid, and report from there on.

    Args:
        step: the step.
        losses: counts the time that is lost; none where nobody does.
        training_step: optimizer step that the training goes on from.
        resumed: whether it goes on from a checkpoint.
    """
    history = step.history
    undone = history.begin(training_step)
    if resumed or undone.steps:
        step.journal.record(
            "resumed", step=training_step, undoneSteps=undone.steps, undoneSeconds=round(undone.seconds, 3)
        )
    if losses is not None:
        losses.add("replay", undone.seconds)
        losses.save()
    return Reporter(history, step.progress, losses)
