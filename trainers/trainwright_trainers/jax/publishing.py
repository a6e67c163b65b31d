"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from pathlib import Path
from typing import Any, Unpack

from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.publishing import About, publish_trained
from trainwright_trainers.data import Dataset
from trainwright_trainers.jax.artifacts import Model, write_model
from trainwright_trainers.jax.predictors import open_model, subject_of
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.runtime.context import StepContext


def publish_model(
    context: StepContext,
    model: Model,
    factory: Factory,
    validation: Dataset,
    **about: Unpack[About],
) -> StepResult:
    """Publish a JAX model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, with arrays of this process only.
        factory: what made it.
        validation: the split that it is measured on.
        about: see `About`.

    Raises:
        NonFiniteWeightsError: a weight is no number.
        ParityError: loaded again from its files, the model gives other outputs.
    """

    def write(draft: Path, **of: Any) -> Artifact:
        return write_model(draft, model, **of)

    return publish_trained(context, write, open_model(model, 1), factory, validation, subject_of, **about)
