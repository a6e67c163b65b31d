"""What the options of pruning mean, and what is told of its fine-tuning."""

import math
import time
from collections.abc import Iterator

from trainwright.api.steps import Prune
from trainwright_trainers.chain.source import field_of
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import NonFiniteLossError
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.progress import memory_bytes


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
