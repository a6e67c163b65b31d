"""The time of a step in which its workers ran and nothing was gained, counted over all its attempts."""

import os
import time
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from trainwright.api.contract import LostTime
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.progress import Progress

LAUNCHED_VARIABLE = "TRAINWRIGHT_LAUNCHED"
"""When a pod's entry point was ready to meet the other pods, in seconds since the epoch, for the processes that it
starts: what came before was its own start, what comes after is waiting for the others."""

COUNTED_VARIABLE = "TRAINWRIGHT_COUNTED"
"""Up to when the processes that the entry point started before have counted; not set for the first ones."""

Cause = Literal["start", "rendezvous", "restore", "replay", "checkpoint"]


class Losses:
    """Counts lost time; the process of rank 0 keeps the file.

    Args:
        path: where it lies between two attempts.
        progress: what serves it.
    """

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path, self._progress = path, progress
        self._lapped = time.time()
        self.total = _read(path)

    def begin(self) -> None:
        """Count from the start of this pod, or from the processes before in it, to this moment, as far as is known."""
        now = time.time()
        started = process_start(os.getpid())
        launched = float(os.environ.get(LAUNCHED_VARIABLE, started))
        self.add("start", now - started)
        if launched < started:
            self.add("rendezvous", started - launched)
            counted = os.environ.get(COUNTED_VARIABLE)
            self.add("start", launched - (float(counted) if counted else process_start(os.getppid())))
        self._lapped = now

    def lap(self, cause: Cause) -> None:
        """Count the time since the last lap, or since the beginning."""
        now = time.time()
        self.add(cause, now - self._lapped)
        self._lapped = now

    def add(self, cause: Cause, seconds: float) -> None:
        """Count some time."""
        known: float = getattr(self.total, cause)
        self.total = self.total.model_copy(update={cause: known + max(seconds, 0.0)})
        self._progress.lost = self.total

    def save(self) -> None:
        """Keep it for the next attempt; without it that one begins to count anew."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".draft")
            draft.write_text(self.total.model_dump_json(), encoding="utf-8")
            draft.replace(self._path)  # not flushed: the training waits for this, and a lost figure is no lost work
        except OSError as error:
            LOG.warning("%s could not be written: %s", self._path, error)


def process_start(pid: int) -> float:
    """When a process of this machine was started, in seconds since the epoch; now where the system doesn't tell.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 22
    """
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return time.time()


def _read(path: Path) -> LostTime:
    try:
        return LostTime.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return LostTime()
