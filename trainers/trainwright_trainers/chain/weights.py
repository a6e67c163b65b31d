"""A framework's own model as an artifact: what its description says, whatever the framework is."""

from collections.abc import Mapping
from typing import Any

from trainwright.api.base import JsonObject
from trainwright.api.steps import Factory
from trainwright_trainers.runtime.artifacts import ArtifactError, Description, Signature
from trainwright_trainers.runtime.errors import ConfigurationError

FORMAT = "safetensors"
WEIGHTS = "model.safetensors"
SHAPES = "shapes"
"""Where a recipe has the shapes of arrays that were cut, by name."""
Shapes = Mapping[str, list[int]]


def check_origin(description: Description, factory: Factory) -> None:
    """Refuse an artifact whose weights are not for what the factory makes.

    Raises:
        ConfigurationError: it was made by another factory or with other arguments, or is no framework's own model.
    """
    if description.format != FORMAT:
        raise ConfigurationError(
            f"the artifact of step {description.name!r} has the format {description.format}; this step needs a"
            f" {FORMAT} model: put it before the step that converts the model"
        )
    if description.model != factory:
        raise ConfigurationError(
            f"spec.model is {factory.to_dict()}, but the model of step {description.name!r} was made by"
            f" {description.model.to_dict()}: its weights only fit the same factory with the same arguments"
        )


def unfit_weights(error: ValueError) -> ArtifactError:
    """What weights mean that are not those of the model."""
    return ArtifactError(
        f"the weights don't fit the model: {error}; spec.model must be what the weights were trained with"
    )


def example_shape(description: Description) -> tuple[int, ...]:
    """The shape of a batch of one of what the artifact's model takes, [1, ...]."""
    taken = description.inputs[0]
    sizes = tuple(size for size in taken.shape[1:] if isinstance(size, int))
    if len(sizes) != len(taken.shape) - 1:
        raise ArtifactError(f"the model's input {taken.name} has the shape {taken.shape}; only its first may vary")
    return 1, *sizes


def signature(name: str, batch: Any) -> Signature:
    """One input or output that takes any number of such samples."""
    return Signature(name=name, dtype=batch.dtype.name, shape=["batch", *batch.shape[1:]])


def read_shapes(description: Description, whole: Mapping[str, Any]) -> Shapes:
    """The shapes of the arrays that were cut since the factory made the model, from the artifact's recipe.

    Args:
        description: the artifact's.
        whole: the model's arrays as the factory makes them.

    Raises:
        ArtifactError: they can't come from cutting such a model.
    """
    shapes = description.recipe.get(SHAPES, {})
    for name, shape in shapes.items() if isinstance(shapes, dict) else [(SHAPES, shapes)]:
        full = list(whole[name].shape) if name in whole else []
        sizes = shape if isinstance(shape, list) and len(shape) == len(full) else []
        if not sizes or not all(
            type(size) is int and 1 <= size <= most for size, most in zip(sizes, full, strict=True)
        ):
            raise ArtifactError(f"artifact.json: recipe.{SHAPES} makes {name} {shape}, which is no part of {full}")
    return dict(shapes)


def recipe_of_cut(recipe: JsonObject, before: Mapping[str, Any], after: Mapping[str, Any]) -> JsonObject:
    """The recipe, with the shapes of the arrays of `after` that are not as in `before`."""
    changed = {name: list(array.shape) for name, array in after.items() if array.shape != before[name].shape}
    return recipe | {SHAPES: {**recipe.get(SHAPES, {}), **changed}}
