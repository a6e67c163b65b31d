"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from pathlib import Path
from typing import Any, Unpack

from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.publishing import About, publish_trained
from trainwright_trainers.data import Array, Dataset
from trainwright_trainers.mxnet.artifacts import write_model
from trainwright_trainers.mxnet.networks import kept, make_network
from trainwright_trainers.mxnet.predictors import subject_of
from trainwright_trainers.mxnet.programs import predict_by
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.runtime.context import StepContext


def publish_model(
    context: StepContext,
    model: Any,
    sample: Array,
    factory: Factory,
    validation: Dataset,
    **about: Unpack[About],
) -> StepResult:
    """Publish a Gluon model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, as it was trained.
        sample: some inputs, [n, ...].
        factory: what made it.
        validation: the split that it is measured on.
        about: see `About`.

    Raises:
        NonFiniteWeightsError: a weight is no number.
        ParityError: loaded again from its files, the model gives other outputs.
    """
    alone = make_network(factory, "spec.model", sample)
    for own, trained in zip(kept(alone).values(), kept(model).values(), strict=True):
        own[:] = trained.as_in_context(own.context)

    def write(draft: Path, **of: Any) -> Artifact:
        return write_model(draft, alone, sample, **of)

    return publish_trained(context, write, predict_by(alone), factory, validation, subject_of, **about)
