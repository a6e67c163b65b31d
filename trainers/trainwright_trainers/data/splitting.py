"""Cutting one array of samples into splits."""

import numpy as np

from trainwright_trainers.data.splits import Array, Arrays, Splits
from trainwright_trainers.runtime.errors import ConfigurationError


def cut(samples: int, validation: float, calibration: int, seed: int) -> tuple[Array, Array, Array]:
    """The indices of train, validation and calibration: disjoint, together all samples, drawn by `seed`.

    Args:
        samples: how many there are.
        validation: share for validation.
        calibration: number for calibration.
        seed: of the draw.

    Raises:
        ConfigurationError: nothing would be left to train on.
    """
    held_out = max(1, round(samples * validation))
    if held_out + calibration >= samples:
        raise ConfigurationError(
            f"spec.data.args: {held_out} samples for validation and {calibration} for calibration leave nothing to"
            f" train on of {samples}"
        )
    order = np.random.default_rng(seed).permutation(samples)
    return order[held_out + calibration :], order[:held_out], order[held_out : held_out + calibration]


def split_arrays(inputs: Array, targets: Array, validation: float, calibration: int, seed: int) -> Splits:
    """Splits of samples that are in memory."""
    train, held_out, calibrating = cut(len(inputs), validation, calibration, seed)
    return Splits(
        train=Arrays(inputs[train], targets[train]),
        validation=Arrays(inputs[held_out], targets[held_out]),
        calibration=Arrays(inputs[calibrating], targets[calibrating]) if calibration else None,
    )
