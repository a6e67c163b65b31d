"""What the options of pruning mean, and what is told of its fine-tuning."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from trainwright.api.steps import Prune
from trainwright_trainers.chain.source import field_of
from trainwright_trainers.data.order import Position
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.engine import Feeds
from trainwright_trainers.runtime.errors import NonFiniteLossError
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.progress import memory_bytes
from trainwright_trainers.runtime.training import HasSamples

Batch = TypeVar("Batch", bound=HasSamples)


def amounts(options: Prune) -> Iterator[float]:
    """What is to be gone after each round: of what is left, each takes the same share (Renda et al. 2020).

    Source: https://arxiv.org/abs/2003.02389
    """
    for number in range(1, options.iterations + 1):
        last = number == options.iterations
        yield options.amount if last else 1 - (1 - options.amount) ** (number / options.iterations)


def report_finetuning(context: StepContext, epochs: int, step: int, loss: float, samples_per_second: float) -> None:
    """Report the last of `epochs`: its mean loss, which must be a number, and its speed.

    Args:
        context: the step.
        epochs: done so far.
        step: optimizer steps done so far.
        loss: mean over the training split.
        samples_per_second: of the training split.
    """
    options, field = context.configuration.step.options, field_of(context)
    rate, total = options.optimizer.learning_rate, options.iterations * options.finetune_epochs
    if not math.isfinite(loss):
        raise NonFiniteLossError(
            f"{field}: the loss of fine-tuning is {loss} in epoch {epochs} at a learning rate of {rate:g}; a lower"
            " optimizer.learningRate may help"
        )
    LOG.info("fine-tuning epoch %d of %d: loss %.4g", epochs, total, loss)
    context.history.append(
        [
            {
                "step": step,
                "epoch": epochs,
                "loss": loss,
                "learningRate": rate,
                "samplesPerSecond": round(samples_per_second, 1),
                "memoryBytes": memory_bytes(),
                "time": round(time.time(), 3),
            }
        ]
    )
    context.progress.update(
        step=step,
        epoch=epochs,
        loss=loss,
        learning_rate=rate,
        samples_per_second=samples_per_second,
        progress_ratio=epochs / total,
        eta_seconds=(total - epochs) * step / epochs * options.batch_size / samples_per_second,
    )


def finetune_epochs(
    context: StepContext,
    feeder: Feeds[Batch],
    samples: int,
    learn: Callable[[Batch, int], Any],
    read: Callable[[list[Any]], list[float]],
    number: int,
) -> bool:
    """Fine-tune for `prune.finetuneEpochs`, and report each.

    Args:
        context: the step.
        feeder: reads the training split.
        samples: of the training split.
        learn: (batch, optimizer steps done so far) -> its mean loss, or None for a batch that is left out; nothing is
            waited for.
        read: waits for such losses.
        number: which of `prune.iterations` it is, from 0: each sees the samples in another order.

    Returns:
        Whether it came to the end; false when the step was asked to stop. Nothing is saved on the way.

    Raises:
        NonFiniteLossError: the loss became infinite or not a number.
    """
    options = context.configuration.step.options
    first = number * options.finetune_epochs
    done = first * math.ceil(samples / options.batch_size)
    context.history.begin(done)
    for epoch in range(first, first + options.finetune_epochs):
        begun, losses, sizes = time.monotonic(), [], []
        for batch in feeder.epoch(Position(epoch)):
            if context.stop.requested:
                return False
            loss = learn(batch, done)
            if loss is not None:
                losses.append(loss)
                sizes.append(batch.samples)
                done += 1
        mean = sum(loss * size for loss, size in zip(read(losses), sizes, strict=True)) / samples
        report_finetuning(context, epoch + 1, done, mean, samples / (time.monotonic() - begun))
    return True
