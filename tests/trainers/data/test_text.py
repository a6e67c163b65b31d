"""Texts as samples of the next byte."""

from pathlib import Path

import numpy as np
import pytest

from trainwright_trainers.data import Arrays, python_manual, text_file
from trainwright_trainers.runtime.errors import ConfigurationError


def test_every_target_is_the_byte_after_its_input_and_no_byte_is_in_two_splits(tmp_path: Path) -> None:
    text = bytes(range(256)) * 4
    (tmp_path / "text").write_bytes(text)
    splits = text_file(str(tmp_path / "text"), context=10, validation=0.2, calibration=5)
    parts = [splits.train, splits.calibration, splits.validation]
    assert all(isinstance(part, Arrays) for part in parts)
    inputs = np.concatenate([part.inputs for part in parts if isinstance(part, Arrays)])
    targets = np.concatenate([part.targets for part in parts if isinstance(part, Arrays)])
    assert [len(part) for part in parts if part is not None] == [77, 5, 20]
    assert bytes(inputs.reshape(-1).tolist()) == text[: inputs.size]
    assert bytes(targets.reshape(-1).tolist()) == text[1 : targets.size + 1]
    assert inputs.dtype == targets.dtype == np.int64


def test_the_manual_of_python_is_a_text_of_its_language() -> None:
    splits = python_manual(context=128, max_bytes=200_000)
    assert len(splits.train) + len(splits.validation) == (200_000 - 1) // 128
    assert isinstance(splits.train, Arrays)
    assert b" statement " in bytes(splits.train.inputs.reshape(-1).tolist())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "no-such-file"}, "spec.data.args.path: no-such-file can't be read"),
        ({"path": __file__, "max_bytes": 10}, "maxBytes allows 10"),
        ({"path": __file__, "context": 100_000}, "leave nothing to train on"),
    ],
)
def test_a_text_that_can_not_be_used_is_refused_in_words(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        text_file(**arguments)  # type: ignore[arg-type]
