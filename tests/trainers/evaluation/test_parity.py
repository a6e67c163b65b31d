"""What a converter got wrong is an error, not an artifact."""

import numpy as np
import pytest

from trainwright_trainers.data import Array, Arrays
from trainwright_trainers.evaluation import ParityError, Predict, compare, compare_exactly

SAMPLES = Arrays(np.random.default_rng(0).normal(size=(100, 10)), np.zeros(100, int))


def as_given(batch: Array) -> Array:
    return batch


def test_equal_models_agree_on_every_sample() -> None:
    parity = compare_exactly(as_given, as_given, SAMPLES)
    assert (parity.largest_difference, parity.relative_difference, parity.label_agreement) == (0, 0, 1)
    assert parity.samples == 1 + 7 + 64


def test_rounding_is_no_difference() -> None:
    parity = compare_exactly(as_given, lambda batch: batch * (1 + 1e-6), SAMPLES)
    assert 0 < parity.largest_difference < 1e-5


def test_difference_in_one_output_of_one_sample_is_found() -> None:
    def wrong(batch: Array) -> Array:
        outputs = batch.copy()
        outputs[len(batch) // 2, 3] += 0.01
        return outputs

    assert compare(as_given, wrong, SAMPLES).largest_difference == pytest.approx(0.01)
    with pytest.raises(ParityError, match=r"differ by up to 0\.01"):
        compare_exactly(as_given, wrong, SAMPLES)


def test_large_outputs_may_differ_in_proportion() -> None:
    def large(batch: Array) -> Array:
        return batch * 1e6

    assert compare_exactly(large, lambda batch: batch * (1e6 + 1), SAMPLES).largest_difference > 1
    with pytest.raises(ParityError):
        compare_exactly(large, lambda batch: batch * 1.01e6, SAMPLES)


def test_share_of_equal_labels_is_told() -> None:
    def one_in_four_wrong(batch: Array) -> Array:
        outputs = batch.copy()
        outputs[::4] = -outputs[::4]
        return outputs

    parity = compare(as_given, one_in_four_wrong, SAMPLES, batch_sizes=(64,))
    assert parity.label_agreement == 0.75


def fixed_at_one(batch: Array) -> Array:
    if len(batch) != 1:
        raise ValueError("got 7, expected 1")
    return batch


@pytest.mark.parametrize(
    ("converted", "words"),
    [
        (fixed_at_one, "fails on a batch of 7: got 7, expected 1"),
        (lambda batch: batch[:1], r"gives \(1, 10\), not \(7, 10\)"),
        (lambda batch: batch * np.nan, "the converted model gives outputs that are not finite"),
    ],
)
def test_model_that_fails_for_a_batch_size_is_refused(converted: Predict, words: str) -> None:
    with pytest.raises(ParityError, match=words):
        compare(as_given, converted, SAMPLES)


def test_source_that_gives_nan_does_not_pass_for_equal() -> None:
    with pytest.raises(ParityError, match="the source model gives outputs that are not finite"):
        compare(lambda batch: batch * np.nan, as_given, SAMPLES)


def test_batch_larger_than_the_split_repeats_samples() -> None:
    few = Arrays(SAMPLES.inputs[:3], SAMPLES.targets[:3])
    assert compare_exactly(as_given, as_given, few).samples == 72
