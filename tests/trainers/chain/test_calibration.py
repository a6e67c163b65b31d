"""Calibration samples are the job's own, apart from those that the model is measured on, and of their size."""

import numpy as np
import pytest

from trainwright_trainers.chain.calibration import choose_calibration
from trainwright_trainers.data import Arrays, Splits, digits
from trainwright_trainers.runtime.errors import ConfigurationError


def splits(train: int, calibration: int | None = None, shared: int = 0) -> Splits:
    """Random splits; `shared` of the calibration samples are in the validation split."""
    random = np.random.default_rng(0)

    def arrays(count: int) -> Arrays:
        return Arrays(random.normal(size=(count, 4)), np.zeros(count, int))

    validation = arrays(500)
    own = arrays(calibration) if calibration is not None else None
    if own is not None:
        own.inputs[:shared] = validation.inputs[:shared]
    return Splits(arrays(train), validation, own)


def test_without_a_calibration_split_samples_come_from_training_and_the_seed() -> None:
    made = splits(train=300)
    chosen = choose_calibration(made, 100, seed=1)
    train = {sample.tobytes() for sample in made.train.inputs}
    samples = [chosen.dataset[index][0].tobytes() for index in range(len(chosen.dataset))]
    assert len(set(samples)) == 100
    assert set(samples) <= train
    again = choose_calibration(made, 100, seed=1).dataset
    other = choose_calibration(made, 100, seed=2).dataset
    assert [again[index][0].tobytes() for index in range(100)] == samples
    assert [other[index][0].tobytes() for index in range(100)] != samples


def test_split_with_fewer_samples_gives_all_with_a_note() -> None:
    chosen = choose_calibration(splits(train=10, calibration=60), 512, seed=1)
    assert len(chosen.dataset) == 60
    assert chosen.notes == ["quantize.calibrationSamples is 512; the split has 60, and all were used"]


def test_chance_coincidence_is_left_out_with_a_note() -> None:
    chosen = choose_calibration(splits(train=10, calibration=200, shared=2), 200, seed=1)
    assert len(chosen.dataset) == 198
    assert chosen.notes == ["2 calibration samples were left out, as they are also in the validation split"]


def test_more_than_chance_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="3 of 200 calibration samples"):
        choose_calibration(splits(train=10, calibration=200, shared=3), 200, seed=1)


def test_digits_have_no_sample_in_two_splits() -> None:
    assert choose_calibration(digits(), 200, seed=0).notes == []


@pytest.mark.parametrize("factor", [0.01, 255.0])
def test_samples_that_were_normalized_otherwise_are_refused(factor: float) -> None:
    made = splits(train=300, calibration=100)
    assert made.calibration is not None
    scaled = Arrays(made.calibration.inputs * factor, made.calibration.targets)
    with pytest.raises(ConfigurationError, match="both must be normalized in the same way"):
        choose_calibration(Splits(made.train, made.validation, scaled), 100, seed=1)


def test_samples_of_about_the_same_size_are_taken() -> None:
    made = splits(train=300, calibration=100)
    assert made.calibration is not None
    scaled = Arrays(made.calibration.inputs * 3, made.calibration.targets)
    assert len(choose_calibration(Splits(made.train, made.validation, scaled), 100, seed=1).dataset) == 100


def test_classes_have_no_size() -> None:
    words = Arrays(np.ones((300, 4), np.int64), np.zeros(300, int))
    many = Arrays(np.full((300, 4), 999), np.zeros(300, int))
    validation = Arrays(np.full((50, 4), 7), np.zeros(50, int))
    assert choose_calibration(Splits(words, validation, many), 100, seed=1).notes == []
