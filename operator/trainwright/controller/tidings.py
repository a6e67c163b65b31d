"""When a changed status is written: at once where it must not be lost, else when it has lasted, and not all at once."""

import time
from collections.abc import Mapping
from typing import Any

from trainwright.controller.pace import Pace
from trainwright.controller.queue import Key

CALM_SECONDS = 2.0
"""How long a phase must have lasted before it is told, where nothing is lost if it never is: a job that starts or ends
within that time is written of once. Writing a status costs the API server as much as making a Job does."""

PROGRESS_SECONDS = 15.0
"""Least time between two writes of a status where nothing but the progress has changed."""

WAITING_A_SECOND = 10.0
"""Statuses a second, of all jobs together, that tell no more than that one waits or how far it is."""

STARTS_A_SECOND = 20.0
"""Statuses a second, of all jobs together, that tell that one runs now."""

Status = Mapping[str, Any]


class Tidings:
    """When each job's status may be written."""

    def __init__(self) -> None:
        """Nothing is to be told yet."""
        self._waiting, self._starting = Pace(WAITING_A_SECOND), Pace(STARTS_A_SECOND)
        self._changed: dict[Key, tuple[str | None, float]] = {}
        self._written: dict[Key, float] = {}
        self._reserved: dict[Key, tuple[Pace, float]] = {}

    def delay(self, key: Key, before: Status, after: Status) -> float:
        """Seconds until the status may be written, if it still is so then; zero when it may be now.

        Args:
            before: what the object tells.
            after: what it should tell.
        """
        now = time.monotonic()
        if self._changed.get(key, ("", 0.0))[0] != after.get("phase"):
            self._changed[key] = after.get("phase"), now
        if _is_record(before, after):
            return 0.0
        due = self._changed[key][1] + CALM_SECONDS
        if _without_progress(before) == _without_progress(after):
            due = self._written.get(key, 0.0) + PROGRESS_SECONDS
        if due <= now:
            kind = self._starting if _starts(before, after) else self._waiting
            if self._reserved.get(key, (None, 0.0))[0] is not kind:
                self._reserved[key] = kind, kind.reserve()
            _, due = self._reserved[key]
        return max(due - now, 0.0)

    def told(self, key: Key) -> None:
        """The status was written."""
        self.forget(key)
        self._written[key] = time.monotonic()

    def forget(self, key: Key) -> None:
        """There is nothing to be told."""
        for memory in (self._changed, self._written, self._reserved):
            memory.pop(key, None)


def _is_record(before: Status, after: Status) -> bool:
    """Whether it tells what can not be computed again from the child objects."""
    return bool(after.get("completionTime")) or _ended_steps(before) != _ended_steps(after)


def _ended_steps(status: Status) -> list[Any]:
    steps = status.get("steps", ())
    return [
        (step["name"], step.get("completionTime"), step["failures"])
        for step in steps
        if step.get("completionTime") or step["failures"]
    ]


def _starts(before: Status, after: Status) -> bool:
    """Whether it tells that the job runs now."""
    return bool(after.get("phase") == "Running" != before.get("phase"))


def _without_progress(status: Status) -> dict[str, Any]:
    return {name: value for name, value in status.items() if name not in ("progress", "accuracy")}
