"""The one true series of a training: a line of JSON for every optimizer step, without those that a restart undid."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Undone:
    """What of an earlier attempt a restart has undone.

    Attributes:
        steps: optimizer steps that are done again.
        seconds: from the record before them to the last one.
    """

    steps: int = 0
    seconds: float = 0.0


class History:
    """Appends to the history; one process only.

    Every record has its optimizer step as `step`. Those of a step have `loss`, `learningRate`, `samplesPerSecond`,
    `memoryBytes`, `gpuMemoryBytes` and `time`, the seconds since the epoch; those of an epoch `epoch`,
    `validationLoss` and `accuracy`. What isn't known is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, step: int) -> Undone:
        """Cut off what comes after optimizer step `step`, which the training goes on from, and say what that was."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        with self._path.open("r+b") as file:
            end, kept_at = _end_of(file, step)
            file.seek(end)
            undone = _read_undone(file, step, kept_at)
            file.truncate(end)
        return undone

    def append(self, records: Iterable[Mapping[str, float | None]]) -> None:
        """Add lines; every record has its optimizer step as `step`."""
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)


def _end_of(lines: Iterable[bytes], step: int) -> tuple[int, float | None]:
    """Bytes of the lines up to and including `step`, and the time of the last; a line that was cut short ends them."""
    end, time = 0, None
    for line in lines:
        record = _parse(line)
        if record is None or record["step"] > step:
            break
        end += len(line)
        time = record.get("time", time)
    return end, time


def _read_undone(lines: Iterable[bytes], step: int, since: float | None) -> Undone:
    """What the lines after those of `step` tell."""
    last, time = step, since
    for record in filter(None, map(_parse, lines)):
        last, time = max(last, record["step"]), record.get("time", time)
        since = time if since is None else since
    return Undone(last - step, max((time or 0.0) - (since or 0.0), 0.0))


def _parse(line: bytes) -> dict[str, Any] | None:
    """The record of a whole line; none for one that a crash cut short."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None
