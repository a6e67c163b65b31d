"""The one true series of a training: a line of JSON for every optimizer step, without those that a restart undid."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

HISTORY_FILE = "history.jsonl"
"""The history, in the step's directory."""


class History:
    """Appends to the history; one process only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, step: int) -> None:
        """Cut off what comes after optimizer step `step`, which the training goes on from."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        with self._path.open("r+b") as file:
            file.truncate(_end_of(file, step))

    def append(self, records: Iterable[Mapping[str, float | None]]) -> None:
        """Add lines; every record has its optimizer step as `step`."""
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)


def _end_of(lines: Iterable[bytes], step: int) -> int:
    """Bytes of the lines up to and including `step`; one that a crash cut short ends them."""
    end = 0
    for line in lines:
        try:
            if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                break
        except (ValueError, KeyError, TypeError):
            break
        end += len(line)
    return end
