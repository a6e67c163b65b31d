"""A step's result, written where the operator reads it."""

from collections.abc import Iterator
from pathlib import Path

from trainwright.api.contract import TERMINATION_MESSAGE_LIMIT, StepResult
from trainwright_trainers.runtime.files import write_whole
from trainwright_trainers.runtime.logs import LOG


def write_result(result: StepResult, path: Path) -> None:
    """Write the full result, as JSON, for whoever looks at the step's directory."""
    try:
        write_whole(path, result.model_dump_json(indent=2, exclude_none=True).encode())
    except OSError as error:
        LOG.warning("%s could not be written: %s", path, error)


def write_termination_message(result: StepResult, path: Path) -> None:
    """Write the result as the pod's termination message.

    Kubernetes mounts a file there that can't be replaced, only written to.
    """
    try:
        path.write_bytes(fit(result))
    except OSError as error:
        LOG.warning("the termination message could not be written: %s", error)


def fit(result: StepResult) -> bytes:
    """The result as JSON of at most 4096 bytes: what matters least is left out or cut first."""
    return next(
        content
        for content in (shorter.model_dump_json(exclude_none=True).encode() for shorter in _shortened(result))
        if len(content) <= TERMINATION_MESSAGE_LIMIT
    )


def _shortened(result: StepResult) -> Iterator[StepResult]:
    """The result, and ever shorter ones; the last fits whatever the result was."""
    yield result
    result = result.model_copy(update={"details": {}})
    yield result
    for length in (200, 50):
        result = result.model_copy(update={"notes": [_cut(note, length) for note in result.notes[-5:]]})
        yield result
    result = result.model_copy(update={"notes": []})
    yield result
    for length in (1000, 300, 100):
        if result.fault is not None:
            fault = result.fault.model_copy(update={"message": _cut(result.fault.message, length)})
            result = result.model_copy(update={"fault": fault})
        yield result
    yield StepResult(outcome=result.outcome, fault=result.fault, training_step=result.training_step)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
