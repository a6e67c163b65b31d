"""What happened to a step in all its attempts: a line of JSON an event, of which no restart undoes any."""

import json
import time
from pathlib import Path
from typing import Any

from trainwright_trainers.runtime.logs import LOG


class Journal:
    """Appends to the journal; one process at a time. Without it a step is as good: an error is only said."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, event: str, **facts: Any) -> None:
        """Add an event, now: `started` (environment), `resumed` (step, undoneSteps, undoneSeconds) or `ended`
        (outcome, trainingStep, message)."""
        line = {"event": event, "time": round(time.time(), 3), **facts}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            LOG.warning("%s could not be written: %s", self._path, error)
