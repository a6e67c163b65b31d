"""The samples that fix the activations' ranges of a quantized model."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from trainwright_trainers.data import Dataset, Splits, Subset, batches, calibration_split
from trainwright_trainers.runtime.errors import ConfigurationError

MAX_COINCIDENCE = 0.01
"""The largest share of samples that may stand in two splits by chance, as blank images do."""
MAX_SCALE_RATIO = 10
"""The largest ratio of two splits' sizes of numbers taken for chance; a forgotten normalization makes 100 or 255."""
BATCH_SIZE = 256


@dataclass(frozen=True)
class Calibration:
    """Samples for calibration, none of which stands in the validation split."""

    dataset: Dataset
    notes: list[str]
    """What the user should know of them."""


def choose_calibration(splits: Splits, samples: int, seed: int) -> Calibration:
    """At most `samples` samples of the calibration split, or of the training split where there is none of its own.

    A split that has fewer gives all it has, with a note. Samples that are, byte for byte, also in the validation split
    are left out: a model is not to be measured on what set its ranges.

    Raises:
        ConfigurationError: more of them are in the validation split than chance can explain, or their numbers are of
            another size than the training split's.
    """
    chosen = calibration_split(splits, samples, seed)
    _check_scale(chosen, calibration_split(Splits(splits.train, splits.validation), samples, seed))
    held_out = set(_digests(splits.validation))
    own = np.array([digest not in held_out for digest in _digests(chosen)])
    shared = len(own) - int(own.sum())
    if shared > MAX_COINCIDENCE * len(own):
        raise ConfigurationError(
            f"spec.data.factory: {shared} of {len(own)} calibration samples are also in the validation split; it must"
            " hold other samples, or the measured accuracy says nothing of new data"
        )
    notes = []
    if len(chosen) < samples:
        notes.append(f"quantize.calibrationSamples is {samples}; the split has {len(chosen)}, and all were used")
    if shared:
        notes.append(f"{shared} calibration samples were left out, as they are also in the validation split")
    return Calibration(Subset(chosen, np.flatnonzero(own)), notes)


def _check_scale(chosen: Dataset, training: Dataset) -> None:
    """Refuse samples that were normalized in another way than those that the model was trained on.

    Ranges that are too narrow cut off what the model computes, and ranges that are too wide leave it a few steps.
    """
    ours, theirs = _scale(chosen), _scale(training)
    if ours is None or theirs is None or max(ours, theirs) <= MAX_SCALE_RATIO * min(ours, theirs):
        return
    raise ConfigurationError(
        f"spec.data.factory: the calibration split's numbers are of the size {ours:.3g}, the training split's of"
        f" {theirs:.3g} (root mean square): both must be normalized in the same way, or the quantized model's ranges"
        " are wrong"
    )


def _scale(dataset: Dataset) -> float | None:
    """Root mean square of the inputs; None where they are not floats, but words or classes."""
    total, count = 0.0, 0
    for inputs, _ in batches(dataset, BATCH_SIZE):
        if inputs.dtype.kind != "f":
            return None
        total += float((inputs.astype(np.float64) ** 2).sum())
        count += inputs.size
    return float(np.sqrt(total / count)) if count else None


def _digests(dataset: Dataset) -> Iterator[bytes]:
    for inputs, _ in batches(dataset, BATCH_SIZE):
        for sample in inputs:
            yield blake2b(np.ascontiguousarray(sample).tobytes(), digest_size=16).digest()
