"""The splits of a data set, and how whole batches are read from them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from trainwright_trainers.runtime.errors import ConfigurationError

Array = npt.NDArray[Any]
Batch = tuple[Array, Array]


@runtime_checkable
class Dataset(Protocol):
    """Samples by index. Reading one must depend on the index only, for a resumed training to equal an unbroken one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        """The sample's input and its target."""


class Arrays:
    """A data set held in memory: the first dimension of both arrays counts samples. Batches are read at once."""

    def __init__(self, inputs: Array, targets: Array) -> None:
        if inputs.ndim < 1 or targets.ndim < 1 or len(inputs) != len(targets):
            raise ConfigurationError(
                "spec.data.factory: inputs and targets must be arrays with one entry a sample, got shapes"
                f" {inputs.shape} and {targets.shape}"
            )
        self.inputs = inputs
        self.targets = targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        return self.inputs[index], self.targets[index]


@dataclass(frozen=True)
class Subset:
    """Some samples of a data set, in the order of `indices`."""

    dataset: Dataset
    indices: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        return self.dataset[int(self.indices[index])]


@dataclass(frozen=True)
class Splits:
    """The parts of a data set; no sample is in two of them."""

    train: Dataset
    validation: Dataset
    calibration: Dataset | None = None
    """What fixes the activations' ranges of a quantized model; a part of `train` when there is none of its own."""

    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    """How raw samples became these inputs, as JSON for whoever serves the model: exports pass it on as it is."""


def read_batch(dataset: Dataset, indices: Sequence[int] | npt.NDArray[np.int64]) -> Batch:
    """The samples of `indices` as (inputs, targets), stacked along a new first dimension."""
    if isinstance(dataset, Arrays):
        chosen = np.asarray(indices)
        return dataset.inputs[chosen], dataset.targets[chosen]
    samples = [dataset[int(index)] for index in indices]
    return np.stack([np.asarray(x) for x, _ in samples]), np.stack([np.asarray(y) for _, y in samples])


def batches(dataset: Dataset, size: int) -> Iterator[Batch]:
    """The whole data set in its own order, `size` samples at a time; the last batch may be smaller."""
    for start in range(0, len(dataset), size):
        yield read_batch(dataset, range(start, min(start + size, len(dataset))))


def calibration_split(splits: Splits, samples: int, seed: int) -> Dataset:
    """At most `samples` samples for calibration, chosen by `seed`: never any of the validation split."""
    source = splits.calibration if splits.calibration is not None else splits.train
    order = np.random.default_rng([seed, len(source)]).permutation(len(source))
    return Subset(source, np.sort(order[:samples]))


def as_splits(made: object) -> Splits:
    """What the user's data factory returned, as `Splits`.

    Also takes a mapping or a sequence of train, validation and, if wanted, calibration, and for every split an
    (inputs, targets) pair of arrays instead of a data set.

    Raises:
        ConfigurationError: it is none of these; the words say what came.
    """
    if isinstance(made, Splits):
        return replace(
            made, train=as_dataset(made.train, "train"), validation=as_dataset(made.validation, "validation")
        )
    if isinstance(made, Mapping):
        unknown = set(made) - {"train", "validation", "calibration", "preprocessing"}
        if unknown or not {"train", "validation"} <= set(made):
            raise ConfigurationError(f"{WANTED}; got a mapping with the keys {sorted(map(str, made))}")
        spare = made.get("calibration")
        return Splits(
            as_dataset(made["train"], "train"),
            as_dataset(made["validation"], "validation"),
            as_dataset(spare, "calibration") if spare is not None else None,
            preprocessing=made.get("preprocessing") or {},
        )
    if isinstance(made, Sequence) and len(made) in (2, 3):
        names = ("train", "validation", "calibration")
        parts = {name: as_dataset(part, name) for name, part in zip(names, made, strict=False)}
        return Splits(parts["train"], parts["validation"], parts.get("calibration"))
    raise ConfigurationError(f"{WANTED}; got {type(made).__name__}")


WANTED = (
    "spec.data.factory must return trainwright_trainers.data.Splits, or a mapping or tuple of train, validation and"
    " optionally calibration (and, in a mapping, preprocessing)"
)


def as_dataset(part: object, split: str) -> Dataset:
    """One split as a data set that is not empty; a ConfigurationError that names the split otherwise."""
    if isinstance(part, Sequence) and not isinstance(part, str) and len(part) == 2 and all(map(is_array, part)):
        part = Arrays(np.asarray(part[0]), np.asarray(part[1]))
    if not isinstance(part, Dataset) or is_array(part) or isinstance(part, Mapping | str):
        raise ConfigurationError(
            f"spec.data.factory: the {split} split must be a data set (__len__ and __getitem__) or a pair of arrays,"
            f" got {type(part).__name__}"
        )
    if len(part) == 0:
        raise ConfigurationError(f"spec.data.factory: the {split} split is empty")
    return part


def is_array(value: object) -> bool:
    """Whether numpy can read `value` as an array without copying its items one by one."""
    return hasattr(value, "__array__") and hasattr(value, "shape")
