"""Whether two models give the same outputs: what a converter made is checked against what it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainwright_trainers.data import Array, Dataset, read_batch
from trainwright_trainers.evaluation.subject import Predict
from trainwright_trainers.runtime.errors import ConfigurationError

ABSOLUTE_TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-3
"""Of the largest output: sums in another order differ by the size of what is summed, not by that of the result."""
BATCH_SIZES = (1, 7, 64)
"""One sample, an odd number, and a usual batch: a converter may have fixed the batch's size to the example's."""


QUANTIZED_TOLERANCE = 0.05
"""Of the largest output, between two forms of one quantized model: a rounding may fall the other way."""
QUANTIZED_AGREEMENT = 0.98
"""Likewise the share of labels that must agree."""


class ParityError(ConfigurationError):
    """Two models that should be the same give different outputs; another attempt would give the same."""


@dataclass(frozen=True)
class Parity:
    """How close the outputs of two models are."""

    largest_difference: float
    """The largest absolute difference of two outputs."""

    relative_difference: float
    """The same, divided by the largest output of the source."""

    label_agreement: float
    """Share of samples for which both models' highest output is the same one."""

    samples: int
    """How many were compared."""


def compare(source: Predict, converted: Predict, dataset: Dataset, batch_sizes: Sequence[int] = BATCH_SIZES) -> Parity:
    """Compare two models' outputs on real samples, once for each batch size, whatever the differences are.

    Raises:
        ParityError: the converted model fails or gives another shape, or an output is not a finite number.
    """
    pairs = []
    for size in batch_sizes:
        inputs, _ = read_batch(dataset, np.arange(size) % len(dataset))
        wanted = source(inputs)
        try:
            found = converted(inputs)
        except Exception as error:
            raise ParityError(f"the converted model fails on a batch of {size}: {error}") from error
        if found.shape != wanted.shape:
            raise ParityError(f"for a batch of {size} the converted model gives {found.shape}, not {wanted.shape}")
        for model, outputs in (("source", wanted), ("converted", found)):
            if not np.isfinite(outputs).all():
                raise ParityError(f"for a batch of {size} the {model} model gives outputs that are not finite numbers")
        pairs.append((wanted.astype(np.float64), found.astype(np.float64)))
    return _closeness(np.concatenate([wanted for wanted, _ in pairs]), np.concatenate([found for _, found in pairs]))


def compare_exactly(
    source: Predict, converted: Predict, dataset: Dataset, batch_sizes: Sequence[int] = BATCH_SIZES
) -> Parity:
    """Compare two models as `compare` does, and refuse differences beyond rounding.

    Raises:
        ParityError: an output differs by more than both tolerances allow, or as `compare` says.
    """
    parity = compare(source, converted, dataset, batch_sizes)
    if parity.largest_difference > ABSOLUTE_TOLERANCE and parity.relative_difference > RELATIVE_TOLERANCE:
        raise ParityError(
            f"the converted model's outputs differ by up to {parity.largest_difference:.3g}"
            f" ({parity.relative_difference:.3g} of the largest output; {ABSOLUTE_TOLERANCE:g} or"
            f" {RELATIVE_TOLERANCE:g} is allowed), and {parity.label_agreement:.1%} of the labels agree"
        )
    return parity


def compare_quantized(
    source: Predict, converted: Predict, dataset: Dataset, batch_sizes: Sequence[int] = BATCH_SIZES
) -> Parity:
    """Compare one quantized model in two forms as `compare` does, and refuse what roundings don't explain.

    Raises:
        ParityError: an output or a label differs by more, or as `compare` says.
    """
    parity = compare(source, converted, dataset, batch_sizes)
    if parity.relative_difference > QUANTIZED_TOLERANCE or parity.label_agreement < QUANTIZED_AGREEMENT:
        raise ParityError(
            f"the quantized model gives other outputs after its conversion: they differ by up to"
            f" {parity.relative_difference:.3g} of the largest output ({QUANTIZED_TOLERANCE:g} is allowed), and"
            f" {parity.label_agreement:.1%} of the labels agree ({QUANTIZED_AGREEMENT:.0%} must)"
        )
    return parity


def _closeness(wanted: Array, found: Array) -> Parity:
    largest = float(np.abs(wanted - found).max())
    scale = float(np.abs(wanted).max())
    same = wanted.argmax(axis=1) == found.argmax(axis=1) if wanted.ndim > 1 else np.isclose(wanted, found)
    return Parity(largest, largest / scale if scale else largest, float(same.mean()), len(wanted))
