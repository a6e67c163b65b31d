"""Accuracy and loss are those of the whole split, whatever the batch size."""

import numpy as np
import pytest
import torch

from trainwright_trainers.data import Array, Arrays
from trainwright_trainers.evaluation import measure_quality
from trainwright_trainers.runtime.errors import ConfigurationError


def as_given(batch: Array) -> Array:
    return batch


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_quality_equals_torchs_cross_entropy(batch_size: int) -> None:
    random = np.random.default_rng(0)
    logits, targets = random.normal(0, 30, (50, 4)).astype(np.float32), random.integers(0, 4, 50)
    quality = measure_quality(as_given, Arrays(logits, targets), batch_size)
    wanted = torch.nn.functional.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(targets))
    assert quality.loss == pytest.approx(wanted.item(), rel=1e-12)
    assert quality.accuracy == (logits.argmax(1) == targets).mean()
    assert quality.samples_per_second > 0


def test_every_pixel_is_an_answer_where_targets_are_images() -> None:
    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(6, 3, 5, 5)), random.integers(0, 3, (6, 5, 5))
    quality = measure_quality(as_given, Arrays(logits, targets), 4)
    wanted = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
    assert quality.loss == pytest.approx(wanted.item(), rel=1e-12)
    assert quality.accuracy == pytest.approx((logits.argmax(1) == targets).mean())


def test_huge_outputs_do_not_overflow() -> None:
    quality = measure_quality(as_given, Arrays(np.array([[1e30, 0.0], [0.0, 1e30]]), np.array([0, 0])), 2)
    assert quality.loss == pytest.approx(5e29)
    assert quality.accuracy == 0.5


def test_targets_that_are_not_classes_get_the_mean_squared_error_and_no_accuracy() -> None:
    quality = measure_quality(as_given, Arrays(np.array([[1.0], [3.0]]), np.array([[1.5], [1.0]])), 1)
    assert quality.loss == pytest.approx((0.25 + 4) / 2)
    assert quality.accuracy is None


@pytest.mark.parametrize(
    ("outputs", "targets", "words"),
    [
        (np.zeros((4, 3)), np.array([0, 1, 2, 3]), "classes reach from 0 to 3"),
        (np.zeros((4, 3)), np.array([0, 1, 2, -1]), "classes reach from -1 to 2"),
        (np.zeros(4), np.array([0, 1, 0, 1]), "one output a class"),
        (np.zeros((4, 3)), np.zeros((4, 3), int), "one output a class"),
        (np.zeros((4, 3)), np.zeros(4), "gives outputs"),
    ],
)
def test_outputs_that_do_not_fit_the_targets_are_the_users_to_mend(outputs: Array, targets: Array, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        measure_quality(as_given, Arrays(outputs, targets), 4)
