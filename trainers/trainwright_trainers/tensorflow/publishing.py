"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from pathlib import Path
from typing import Any, Unpack

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.publishing import About, publish_trained, recipe_after
from trainwright_trainers.chain.weights import SHAPES
from trainwright_trainers.data import Array, Dataset
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.artifacts import write_model
from trainwright_trainers.tensorflow.narrowing import narrowed
from trainwright_trainers.tensorflow.networks import kept, make_network
from trainwright_trainers.tensorflow.predictors import open_model, subject_of


def publish_model(
    context: StepContext,
    model: Any,
    sample: Array,
    factory: Factory,
    validation: Dataset,
    **about: Unpack[About],
) -> StepResult:
    """Publish a trained model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, as it was trained: over all devices, and in any precision.
        sample: some inputs, [n, ...].
        factory: what made it.
        validation: the split that it is measured on.
        about: see `About`.

    Raises:
        NonFiniteWeightsError: a weight is no number.
        ParityError: loaded again from its files, the model gives other outputs.
    """
    alone = plain_copy(model, factory, recipe_after(about.get("parent"), about.get("recipe")), sample)

    def write(draft: Path, **of: Any) -> Artifact:
        return write_model(draft, alone, sample, **of)

    return publish_trained(context, write, open_model(alone), factory, validation, subject_of, **about)


def plain_copy(model: Any, factory: Factory, recipe: JsonObject, sample: Array) -> Any:
    """A model as it was trained, over all devices and in any precision, as one of this process in fp32.

    Args:
        model: the model.
        factory: what made it.
        recipe: what was done to it since.
        sample: some inputs, [n, ...].
    """
    alone = narrowed(make_network(factory, "spec.model", sample), recipe.get(SHAPES, {}), sample)
    for own, trained in zip(kept(alone).values(), kept(model).values(), strict=True):
        own.assign(trained.numpy())
    return alone
