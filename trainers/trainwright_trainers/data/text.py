"""Texts for the prediction of the next token, which is the next byte: no tokenizer is needed, and no byte is unknown.

A sample is a window: its input the bytes [context], its target the bytes that follow each of them, [context], both
int64 from 0 to 255. Loss and accuracy are means over all bytes: the loss is the negative log-likelihood of a byte given
those before it in its window, in nats; the accuracy is the share of bytes that got the highest probability.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, validate_call

from trainwright_trainers.data.splits import Arrays, Splits
from trainwright_trainers.runtime.arguments import STRICT, Count, Share
from trainwright_trainers.runtime.errors import ConfigurationError

Context = Annotated[int, Field(ge=1, le=1_000_000)]
"""Bytes of a sample's input."""


@validate_call(config=STRICT)
def python_manual(
    context: Context = 64,
    validation: Share = 0.1,
    calibration: Count = 0,
    max_bytes: Annotated[int, Field(ge=1)] = 1 << 20,
) -> Splits:
    """The language reference that Python's own help() shows, about 460 KB of English and code; it ships with Python.

    Another version of Python has another text. License: https://docs.python.org/3/license.html

    Args:
        context: bytes of a sample.
        validation: share for validation, taken from the text's end.
        calibration: number of samples for calibration, taken from before it.
        max_bytes: how much of the text's beginning is used at most.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ConfigurationError(
            "spec.data.factory: the Python in the trainer's image comes without pydoc_data, which has the text"
        ) from error
    text = "\n".join(topics[name] for name in sorted(topics)).encode()
    return text_splits(text[:max_bytes], context, validation, calibration)


@validate_call(config=STRICT)
def text_file(
    path: str,
    context: Context = 64,
    validation: Share = 0.1,
    calibration: Count = 0,
    max_bytes: Annotated[int, Field(ge=1)] = 1 << 30,
) -> Splits:
    """A file of the user's own, as bytes.

    Args:
        path: the file.
        context: bytes of a sample.
        validation: share for validation, taken from the file's end.
        calibration: number of samples for calibration, taken from before it.
        max_bytes: size of the file at most.

    Raises:
        ConfigurationError: it can't be read, is too large, or too short for that many samples.
    """
    try:
        size = Path(path).stat().st_size
        if size > max_bytes:
            raise ConfigurationError(f"spec.data.args.path: {path} has {size} bytes; maxBytes allows {max_bytes}")
        return text_splits(Path(path).read_bytes(), context, validation, calibration)
    except OSError as error:
        raise ConfigurationError(f"spec.data.args.path: {path} can't be read: {error}") from error


def text_splits(text: bytes, context: int, validation: float, calibration: int) -> Splits:
    """Windows that don't overlap, cut into splits that each are one stretch of the text.

    Neighbouring windows share sentences, so a random draw would show in training what is asked in validation.
    """
    count = (len(text) - 1) // context
    held_out = max(1, round(count * validation))
    training = count - held_out - calibration
    if training < 1:
        raise ConfigurationError(
            f"spec.data.args: {len(text)} bytes make {count} samples of {context}; {held_out} for validation and"
            f" {calibration} for calibration leave nothing to train on"
        )
    values = np.frombuffer(text, np.uint8)[: count * context + 1].astype(np.int64)
    inputs, targets = (part.reshape(count, context) for part in (values[:-1], values[1:]))
    parts = (slice(0, training), slice(training + calibration, None), slice(training, training + calibration))
    train, val, calibrating = (Arrays(inputs[part], targets[part]) for part in parts)
    return Splits(train, val, calibrating if calibration else None)
