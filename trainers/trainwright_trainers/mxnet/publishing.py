"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from typing import Any

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.publishing import publish_trained, recipe_after
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
    *,
    parent: Artifact | None,
    parent_factory: Factory | None = None,
    recipe: JsonObject | None = None,
    notes: list[str] | None = None,
    details: JsonObject | None = None,
) -> StepResult:
    """Publish a Gluon model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, as it was trained.
        sample: some inputs, [n, ...].
        factory: what made it.
        validation: the split that it is measured on.
        parent: the artifact that it was made from; none when it was trained from its initial weights.
        parent_factory: what made the parent's model; `factory` when None.
        recipe: what was done to the model since its factory made it; as in the parent when None.
        notes: what the user should know.
        details: further numbers for the result.

    Raises:
        ParityError: loaded again from its files, the model gives other outputs.
    """
    recipe = recipe_after(parent, recipe)
    alone = make_network(factory, "spec.model", sample)
    for own, trained in zip(kept(alone).values(), kept(model).values(), strict=True):
        own[:] = trained.as_in_context(own.context)
    return publish_trained(
        context,
        lambda draft, **about: write_model(draft, alone, sample, **about),
        predict_by(alone),
        factory,
        validation,
        subject_of,
        recipe=recipe,
        parent=parent,
        parent_factory=parent_factory,
        notes=notes,
        details=details,
    )
