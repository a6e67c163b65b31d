"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from torch import nn

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.publishing import publish_trained, recipe_after
from trainwright_trainers.data import Dataset, read_batch
from trainwright_trainers.pytorch.artifacts import write_model
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.programs import open_module
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.runtime.context import StepContext


def publish_model(
    context: StepContext,
    model: nn.Module,
    factory: Factory,
    validation: Dataset,
    *,
    parent: Artifact | None = None,
    recipe: JsonObject | None = None,
    notes: list[str] | None = None,
    details: JsonObject | None = None,
    parent_factory: Factory | None = None,
) -> StepResult:
    """Publish a PyTorch model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, not wrapped for distributed training; it ends in evaluation mode on the CPU.
        factory: what made it.
        validation: the split that it is measured on.
        parent: the artifact that it was made from; none when it was trained from its initial weights.
        recipe: what changed the model's shape since its factory made it; as in the parent when None.
        notes: what the user should know.
        details: further numbers for the result.
        parent_factory: what made the parent's model; the same when None.

    Raises:
        ParityError: loaded again from its files, the model gives other outputs.
    """
    model.cpu().eval()
    recipe = recipe_after(parent, recipe)
    sample, _ = read_batch(validation, [0])
    return publish_trained(
        context,
        lambda draft, **about: write_model(draft, model, sample, **about),
        open_module(model, 1),
        factory,
        validation,
        subject_of,
        recipe=recipe,
        parent=parent,
        parent_factory=parent_factory,
        notes=notes,
        details=details,
    )
