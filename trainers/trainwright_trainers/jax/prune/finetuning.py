"""Training after pruning, so that what is left makes up for what was removed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from trainwright_trainers.chain.pruning import finetune_epochs
from trainwright_trainers.chain.source import field_of
from trainwright_trainers.data import Array, Dataset
from trainwright_trainers.jax.checkpointing import Learned
from trainwright_trainers.jax.feeding import Batch, Feeder
from trainwright_trainers.jax.losses import make_loss
from trainwright_trainers.jax.networks import PARAMETERS, Tree
from trainwright_trainers.jax.optimization import Optimization, make_optimizer
from trainwright_trainers.jax.processes import local, meet
from trainwright_trainers.jax.prune.candidate import Candidate
from trainwright_trainers.jax.stepping import Objective, make_step
from trainwright_trainers.jax.trees import map_named
from trainwright_trainers.runtime.context import StepContext


def finetune(
    context: StepContext, pruned: Candidate, train: Dataset, zeros: Mapping[str, Array], number: int
) -> Candidate | None:
    """Train the model for `prune.finetuneEpochs` on all devices of this process.

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
    configuration, options, field = context.configuration, context.configuration.step.options, field_of(context)
    model = pruned.model
    rate = optax.constant_schedule(options.optimizer.learning_rate)
    optimizer = optax.chain(make_optimizer(options.optimizer, rate, f"{field}.optimizer"), keep_zero(zeros))
    objective = Objective(model.network, make_loss(options.loss, f"{field}.loss"), "fp32")
    processes = meet()
    context.progress.serve_where_asked()
    step = make_step(objective, Optimization(optimizer, rate), processes, configuration.seed)
    feeder = Feeder(train, processes, seed=configuration.seed, batch_size=options.batch_size, parts=1)
    learned = processes.replicate(Learned(model.variables, optimizer.init(model.variables.parameters)))

    def learn(batch: Batch, done: int) -> Any:
        nonlocal learned
        learned, told = step(learned, batch.inputs, batch.targets, batch.weights, done)
        return told.loss

    def read(losses: list[Any]) -> list[float]:
        return np.asarray(jax.device_get(losses), np.float64).tolist()

    if not finetune_epochs(context, feeder, len(train), learn, read, number):
        return None
    return Candidate(replace(model, variables=local(learned.variables)))


def keep_zero(zeros: Mapping[str, Array]) -> optax.GradientTransformation:
    """The last link of an optimizer's chain: weights that are zero stay so.

    Args:
        zeros: by array, where its updates are dropped: bool, of its shape.
    """

    def update(updates: Tree, state: optax.OptState, parameters: Tree = None) -> tuple[Tree, optax.OptState]:  # noqa: ARG001
        def dropped(name: str, change: jax.Array) -> Any:
            mask = zeros.get(f"{PARAMETERS}/{name}")
            return change if mask is None else jnp.where(mask, 0, change)

        return map_named(dropped, updates), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
