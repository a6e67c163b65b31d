"""Training after pruning, so that what is left makes up for what was removed."""

from collections.abc import Mapping
from typing import Any

import mxnet as mx

from trainwright_trainers.chain.pruning import finetune_epochs
from trainwright_trainers.chain.source import field_of
from trainwright_trainers.data import Array, Dataset
from trainwright_trainers.mxnet.feeding import Batch, Feeder
from trainwright_trainers.mxnet.losses import make_loss
from trainwright_trainers.mxnet.networks import kept
from trainwright_trainers.mxnet.optimization import Optimization, make_optimizer
from trainwright_trainers.mxnet.processes import Processes
from trainwright_trainers.mxnet.prune.candidate import Candidate
from trainwright_trainers.mxnet.stepping import Objective, Step
from trainwright_trainers.runtime.context import StepContext


def finetune(
    context: StepContext, pruned: Candidate, train: Dataset, zeros: Mapping[str, Array], number: int
) -> Candidate | None:
    """Train the model in place for `prune.finetuneEpochs`, in this process, on the CPU.

    Args:
        context: the step.
        pruned: the pruned model.
        train: the training split.
        zeros: by array, where it must stay zero: bool, of its shape.
        number: which of `prune.iterations` it is, from 0.

    Returns:
        The trained model; none when the step was asked to stop.

    Raises:
        ConfigurationError: there is no such optimizer or loss.
        NonFiniteLossError: the loss became infinite or not a number.
    """
    options, field, seed = context.configuration.step.options, field_of(context), context.configuration.seed
    model, processes = pruned.model, Processes(0, 1, mx.cpu())
    optimizer = make_optimizer(options.optimizer, f"{field}.optimizer")
    optimization = Optimization(optimizer, lambda _: options.optimizer.learning_rate, model)
    step = Step(Objective(model, make_loss(options.loss, f"{field}.loss")), optimization, processes, seed, None)
    context.progress.serve_where_asked()
    feeder = Feeder(train, processes, seed=seed, batch_size=options.batch_size, parts=1)
    held = [(kept(model)[name], mx.nd.array(~mask, dtype="float32")) for name, mask in zeros.items()]

    def learn(batch: Batch, done: int) -> Any:
        told = step(batch, done)
        for values, stays in held:
            values *= stays
        return told

    def read(told: list[Any]) -> list[float]:
        return [float(loss.asscalar()) for loss, _, _ in told]

    return pruned if finetune_epochs(context, feeder, len(train), learn, read, number) else None
