"""Reads a run's files as the hostile input that they may be: bounded, inside the run's directory, and never trusted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainwright.report.numbers import LARGEST

MOST_BYTES = 256 << 20
"""Of a file that is read line by line; what comes after is left out."""
LONGEST_LINE = 16 << 10
LARGEST_DOCUMENT = 16 << 20
"""Bytes of a file that is read whole."""
LAST_TIME = 253_402_300_799
"""The end of the year 9999, in seconds since the epoch."""


def inside(root: Path, relative: str) -> Path | None:
    """A regular file below `root`, wherever its links lead; none when there is none, or it lies elsewhere."""
    try:
        path = (root / relative).resolve()
        return path if path.is_relative_to(root.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None


def read_document(path: Path | None) -> dict[str, Any] | None:
    """A JSON object; none when the file isn't there, is too large or holds something else."""
    try:
        if path is None or path.stat().st_size > LARGEST_DOCUMENT:
            return None
        return _parse(path.read_bytes())
    except OSError:
        return None


def read_lines(path: Path | None) -> Iterator[dict[str, Any] | None]:
    """The JSON object of each line, None for a line that holds none; nothing when the file isn't there."""
    if path is None:
        return
    with path.open("rb") as lines:
        while lines.tell() < MOST_BYTES and (line := lines.readline(LONGEST_LINE)):
            yield _parse(line)


def number(value: Any) -> float | None:
    """A number that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None  # NaN is not


def time(value: Any) -> float | None:
    """A moment, in seconds since the epoch."""
    seconds = number(value)
    return seconds if seconds is not None and 0 <= seconds <= LAST_TIME else None


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
