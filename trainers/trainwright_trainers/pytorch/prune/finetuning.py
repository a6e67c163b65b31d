"""Training after pruning, so that what is left makes up for what was removed."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainwright_trainers.chain.pruning import finetune_epochs
from trainwright_trainers.chain.source import field_of
from trainwright_trainers.data import Dataset
from trainwright_trainers.pytorch import randomness
from trainwright_trainers.pytorch.feeding import Batch, Feeder
from trainwright_trainers.pytorch.losses import make_loss
from trainwright_trainers.pytorch.optimization import make_optimizer
from trainwright_trainers.pytorch.processes import this_process
from trainwright_trainers.runtime.context import StepContext


def finetune(
    context: StepContext, model: nn.Module, train: Dataset, zeros: Mapping[str, Tensor], number: int = 0
) -> bool:
    """Train the model in place for `prune.finetuneEpochs`, in this process, on its GPU where there is one.

    Args:
        context: the step.
        model: the pruned model; it comes back in evaluation mode on the CPU.
        train: the training split.
        zeros: by parameter, a boolean tensor of its shape: where it must stay zero.
        number: which of `prune.iterations` it is, from 0.

    Returns:
        Whether it came to the end; false when the step was asked to stop.

    Raises:
        ConfigurationError: there is no such optimizer or loss.
        NonFiniteLossError: the loss became infinite or not a number.
    """
    configuration, options, field = context.configuration, context.configuration.step.options, field_of(context)
    process = this_process()
    context.progress.serve_where_asked()
    model.to(process.device).train()
    optimizer = make_optimizer(options.optimizer, model.parameters(), f"{field}.optimizer")
    loss = make_loss(options.loss, f"{field}.loss")
    feeder = Feeder(train, process, seed=configuration.seed, batch_size=options.batch_size, parts=1)
    held = [(model.get_parameter(name), mask.to(process.device)) for name, mask in zeros.items()]
    randomness.seed_all(configuration.seed, process.rank)

    def learn(batch: Batch, done: int) -> Tensor | None:  # noqa: ARG001 - torch keeps the count of its random numbers
        if batch.samples == 1 < len(train):
            return None  # batch normalization can't train on the one sample that is left over; the next epoch has it
        (part,) = batch.parts
        value = loss(model(part.inputs), part.targets)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        keep_zero(held)
        return value.detach()

    def read(losses: list[Tensor]) -> list[float]:
        return [float(value) for value in losses]

    if not finetune_epochs(context, feeder, len(train), learn, read, number):
        return False
    model.cpu().eval()
    return True


@torch.no_grad()
def keep_zero(held: list[tuple[nn.Parameter, Tensor]]) -> None:
    """Zero again what an optimizer step moved away from zero."""
    for parameter, zero in held:
        parameter.masked_fill_(zero, 0)
