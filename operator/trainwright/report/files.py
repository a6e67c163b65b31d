"""Reads a run's files as the hostile input that they may be: bounded, inside the run's directory, and never trusted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_BYTES = 256 << 20
"""Of a file that is read line by line; what comes after is left out."""
LONGEST_LINE = 16 << 10
LARGEST_DOCUMENT = 16 << 20
"""Bytes of a file that is read whole."""
LARGEST_NUMBER = 1e30
"""A number beyond it is not drawn: it would only break the scale."""


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
    return float(value) if -LARGEST_NUMBER <= value <= LARGEST_NUMBER else None  # NaN is not


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
