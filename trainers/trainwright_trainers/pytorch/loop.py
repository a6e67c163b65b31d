"""The training loop."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from trainwright.api.steps import Train
from trainwright_trainers.pytorch.checkpointing import Saves, TrainingState
from trainwright_trainers.pytorch.feeding import Batch, Feeder, Part, Reader
from trainwright_trainers.pytorch.losses import Loss, Objective
from trainwright_trainers.pytorch.precision import casts
from trainwright_trainers.pytorch.processes import Processes, gpu_memory
from trainwright_trainers.pytorch.scoring import score
from trainwright_trainers.pytorch.sharding import whole
from trainwright_trainers.runtime.errors import NonFiniteLossError
from trainwright_trainers.runtime.pace import Pace
from trainwright_trainers.runtime.progress import Progress
from trainwright_trainers.runtime.reporting import Reporter, Stretch
from trainwright_trainers.runtime.stop import StopRequest

MOST_NON_FINITE = {"fp16": 100}
"""Losses in a row that may be infinite or not a number: fp16's gradient scaling skips such steps."""


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and how."""

    options: Train
    field: str
    """Where the user described it, such as `spec.steps[train].train`."""
    network: nn.Module
    """The model, wrapped for distributed training where there are several processes."""
    loss: Loss
    """What the validation split is measured by."""
    objective: Objective
    """What is minimized."""
    feeder: Feeder
    validation: Reader
    processes: Processes


class Training:
    """One process' part in a training. The processes run it in step, each with its share of every batch."""

    def __init__(
        self,
        task: Task,
        state: TrainingState,
        checkpointing: Saves,
        reporter: Reporter | None,
        progress: Progress,
        stop: StopRequest,
    ) -> None:
        self._task = task
        self._state = state
        self._checkpointing = checkpointing
        self._reporter = reporter
        self._progress = progress
        self._stop = stop
        self._pace = Pace(state.step)
        # Since the last meeting: the mean loss of every part, its step and weight, and every step's learning rate.
        self._losses: list[Tensor] = []
        self._weights: list[tuple[int, float]] = []
        self._rates: list[float] = []
        self._samples = 0
        self._waited = 0.0
        self._norm: Tensor | None = None
        self._non_finite = 0
        self._met_at = time.monotonic()

    def run(self) -> bool:
        """Train to the end of the last epoch, or until all processes agree to stop.

        Returns:
            Whether it was stopped; the state is saved in either case.

        Raises:
            NonFiniteLossError: the loss became infinite or not a number.
        """
        epochs = self._task.options.epochs
        self._task.network.train()
        while self._state.position.epoch < epochs:
            for batch in self._timed(self._task.feeder.epoch(self._state.position)):
                self._optimize(batch)
                if self._look_around():
                    return self._state.position.epoch < epochs
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

    def _optimize(self, batch: Batch) -> None:
        """One optimizer step."""
        state, options = self._state, self._task.options
        watch = self._task.processes.watch
        watch.beat()
        *first_parts, last_part = batch.parts
        for part in first_parts:
            with self._without_communication():
                self._backward(part)
        self._backward(last_part)
        if options.gradient_clipping is not None:
            state.scaler.unscale_(state.optimizer)
            self._norm = whole(clip_grad_norm_(state.model.parameters(), options.gradient_clipping))
        self._rates.append(state.optimizer.param_groups[0]["lr"])
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad(set_to_none=True)
        if state.schedule is not None:
            state.schedule.step()
        state.step += 1
        state.position = state.position.after(batch.samples, len(self._task.feeder.dataset))
        self._samples += batch.samples
        self._progress.update(step=state.step)
        watch.beat()

    def _backward(self, part: Part) -> None:
        """Add the gradients of one part."""
        task = self._task
        with casts(task.options.precision, task.processes.device):
            loss = task.objective(part.inputs, task.network(part.inputs), part.targets)
        self._losses.append(loss.detach())
        self._weights.append((self._state.step, part.weight))
        # Distributed training averages gradients over the processes, but a weight is a share of all samples.
        factor = part.weight * task.processes.size
        scaled: Tensor = self._state.scaler.scale(loss if factor == 1 else loss * factor)
        task.processes.watch.beat()  # what follows may wait for the others
        scaled.backward()  # type: ignore[no-untyped-call]

    def _without_communication(self) -> AbstractContextManager[None]:
        network = self._task.network
        return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()

    def _look_around(self) -> bool:
        """After an optimizer step, do what is due; whether the training ends here."""
        state, options = self._state, self._task.options
        epoch_ended = state.position.samples == 0
        finished = epoch_ended and state.position.epoch == options.epochs
        save = finished or state.step % options.checkpoint.every_steps == 0
        if not (save or epoch_ended or state.step == self._pace.next_step):
            return False
        stopping = self._meet() and not finished
        if epoch_ended and not stopping:
            self._score()
        begun = time.monotonic()
        if save or stopping:
            self._checkpointing.save(state)
        if finished or stopping:
            self._checkpointing.saver.wait()
        if self._reporter is not None:
            self._reporter.checkpoint(self._checkpointing.saver.seconds, self._checkpointing.size_bytes)
            if save or stopping:
                self._reporter.stall(time.monotonic() - begun)
        return finished or stopping

    def _meet(self) -> bool:
        """Read the losses since the last meeting, report them, and agree with all processes whether to stop."""
        losses = self._own_losses()
        now = time.monotonic()
        seconds = (now - self._met_at) / len(losses)
        own = torch.tensor([float(self._stop.requested), float(self._pace.proposal(seconds))], dtype=torch.float64)
        rows = self._task.processes.gather(torch.cat([own, losses]))
        self._pace.agree(self._state.step, int(rows[:, 1].min()))
        self._report(rows[:, 2:].sum(dim=0).tolist(), seconds)
        self._met_at, self._samples, self._waited = now, 0, 0.0
        for record in (self._losses, self._weights, self._rates):
            record.clear()
        return bool(rows[:, 0].max() > 0)

    def _own_losses(self) -> Tensor:
        """This process' summand of each step's mean loss since the last meeting, [steps] float64."""
        parts = torch.stack(self._losses).double().cpu()  # here, and nowhere else, the device is waited for
        steps, weights = torch.tensor(self._weights, dtype=torch.float64).T
        of_step = (steps - steps[0]).long()
        return torch.zeros(len(self._rates), dtype=torch.float64).index_add_(0, of_step, parts * weights)

    def _report(self, losses: list[float], seconds: float) -> None:
        state = self._state
        first_step = state.step - len(losses) + 1
        self._check_finite(first_step, losses)
        if self._reporter is None:
            return
        stretch = Stretch(
            first_step=first_step,
            epochs=state.position.epochs(len(self._task.feeder.dataset)),
            losses=losses,
            rates=self._rates,
            seconds_per_step=seconds,
            seconds_waited=self._waited / len(losses),
            samples_per_second=self._samples / (seconds * len(losses)),
            gradient_norm=None if self._norm is None else float(self._norm),
            gpu_memory_bytes=gpu_memory(self._task.processes.device),
        )
        self._reporter.stretch(stretch, state.course.steps_left(state.position))

    def _check_finite(self, first_step: int, losses: list[float]) -> None:
        for step, loss in enumerate(losses, start=first_step):
            self._non_finite = 0 if math.isfinite(loss) else self._non_finite + 1
            if self._non_finite > MOST_NON_FINITE.get(self._task.options.precision, 0):
                raise NonFiniteLossError(
                    f"{self._task.field}: the loss of optimizer step {step} is {loss} at a learning rate of"
                    f" {self._rates[step - first_step]:g}; a lower optimizer.learningRate, a warm-up,"
                    " gradientClipping, or inputs of about unit size may help"
                )

    def _score(self) -> None:
        state, task = self._state, self._task
        found = score(
            state.model, task.loss, task.validation, task.options.batch_size, task.options.precision, task.processes
        )
        if self._reporter is not None:
            self._reporter.epoch(state.position.epoch, state.step, found)
        self._met_at = time.monotonic()
