"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.publishing import publish_trained, recipe_after
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
    *,
    parent: Artifact | None = None,
    parent_factory: Factory | None = None,
    recipe: JsonObject | None = None,
    notes: list[str] | None = None,
    details: JsonObject | None = None,
) -> StepResult:
    """Publish a JAX model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, with arrays of this process only.
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
    return publish_trained(
        context,
        lambda draft, **about: write_model(draft, model, **about),
        open_model(model, 1),
        factory,
        validation,
        subject_of,
        recipe=recipe,
        parent=parent,
        parent_factory=parent_factory,
        notes=notes,
        details=details,
    )
