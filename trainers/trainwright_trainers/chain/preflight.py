"""What can be found out about the user's data before a training begins, whatever the framework is."""

import numpy as np

from trainwright_trainers.data import Array, Arrays, Dataset, Splits, read_batch
from trainwright_trainers.runtime.errors import ConfigurationError


def read_numbers(dataset: Dataset, count: int, split: str) -> tuple[Array, Array]:
    """The first samples of a split as (inputs, targets), [count, ...] each.

    Raises:
        ConfigurationError: they are no pairs of arrays of one shape, or not numbers.
    """
    try:
        inputs, targets = read_batch(dataset, range(count))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"spec.data.factory: samples of the {split} split must be (input, target) pairs of arrays with the same"
            f" shape in every sample: {error}"
        ) from error
    for name, array in (("inputs", inputs), ("targets", targets)):
        if array.dtype.kind not in "fiub":
            raise ConfigurationError(
                f"spec.data.factory: the {split} split's {name} must be numbers, they are {array.dtype}"
            )
    return inputs, targets


def check_labels(splits: Splits, classes: int, model_field: str = "spec.model") -> None:
    """Refuse labels that the model has no output for: they would give a loss that is not a number, or end a training
    somewhere in its epoch, on a GPU with an error that names nothing."""
    for split, dataset in (("train", splits.train), ("validation", splits.validation)):
        if not isinstance(dataset, Arrays) or not np.issubdtype(dataset.targets.dtype, np.integer):
            continue
        low, high = int(dataset.targets.min()), int(dataset.targets.max())
        if low < 0 or high >= classes:
            raise ConfigurationError(
                f"spec.data: the {split} split's labels reach from {low} to {high}; {model_field} has {classes}"
                f" outputs, for labels from 0 to {classes - 1}"
            )
