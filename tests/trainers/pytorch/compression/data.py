"""Data factories of these tests: right ones, and some that must be caught."""

from trainwright_trainers.data import Arrays, Splits, bundled, python_manual


def digits() -> Splits:
    """8x8 digits [1, 8, 8] with a small validation split."""
    return bundled.digits()


def digits_calibrated_on_validation() -> Splits:
    """Calibration samples are taken from the validation split."""
    splits = digits()
    validation = splits.validation
    assert isinstance(validation, Arrays)
    return Splits(splits.train, validation, Arrays(validation.inputs[:100], validation.targets[:100]))


def digits_calibrated_on_dim_images() -> Splits:
    """Calibration samples are a hundred times too dark, as if they had been normalized twice."""
    splits = digits()
    train = splits.train
    assert isinstance(train, Arrays)
    return Splits(train, splits.validation, Arrays(train.inputs * 0.01, train.targets))


def digits_calibrated_on_dusky_images() -> Splits:
    """Calibration samples are eight times too dark: less than what can be told from chance."""
    splits = digits()
    train = splits.train
    assert isinstance(train, Arrays)
    return Splits(train, splits.validation, Arrays(train.inputs * 0.125, train.targets))


def text() -> Splits:
    """Bytes [16] of Python's manual, each to be followed by the next one."""
    return python_manual(context=16, max_bytes=20_000)
