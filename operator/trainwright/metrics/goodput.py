"""Which share of a job's time brought it on, and what the rest went to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trainwright.planning.phases import COUNTED_AS

TRAINER_LOSSES = ("start", "rendezvous", "restore", "replay", "checkpoint")
"""What trainers tell of the time in which they ran in vain; the fields of `LostTime`."""

LOSSES = ("queue", "restart", *TRAINER_LOSSES)
"""Everything that a job's time can be lost to: before its workers run, in the place of a failed group, and within."""


@dataclass(frozen=True)
class Goodput:
    """Seconds of a job's life, without those in which it was suspended.

    Attributes:
        elapsed: all of them.
        productive: those in which its workers ran and lost nothing.
        lost: the rest, by what it was lost to.
    """

    elapsed: float
    productive: float
    lost: Mapping[str, float]

    @property
    def ratio(self) -> float | None:
        """Productive time over elapsed time; none when no time has passed."""
        return self.productive / self.elapsed if self.elapsed > 0 else None


def goodput(status: Mapping[str, Any], now: float) -> Goodput:
    """The goodput that a TrainingJob's status tells.

    A step that tells nothing of its time, such as a program of the user's own, counts as productive while it runs.

    Args:
        status: as it is on the API server.
        now: the time, in seconds since the epoch.
    """
    seconds = phase_seconds(status, now)
    steps = {step["name"]: step.get("lost") or {} for step in status.get("steps", ())}
    if told := (status.get("progress") or {}).get("lost"):
        steps[status.get("currentStep", "")] = told
    within = {what: sum(lost.get(what, 0.0) for lost in steps.values()) for what in TRAINER_LOSSES}
    return Goodput(
        elapsed=seconds["pending"] + seconds["restarting"] + seconds["running"],
        productive=max(seconds["running"] - sum(within.values()), 0.0),
        lost={"queue": seconds["pending"], "restart": seconds["restarting"], **within},
    )


def phase_seconds(status: Mapping[str, Any], now: float) -> dict[str, float]:
    """How long the job was in each phase, up to now."""
    told = status.get("phaseSeconds") or {}
    seconds = {field: float(told.get(field, 0)) for field in COUNTED_AS.values()}
    current, since = COUNTED_AS.get(status.get("phase", "")), status.get("phaseSince")
    if current is not None and since:
        seconds[current] += max(now - timestamp(since), 0.0)
    return seconds


def timestamp(moment: str) -> float:
    """Seconds since the epoch of a time as Kubernetes writes it."""
    return datetime.fromisoformat(moment).astimezone(UTC).timestamp()
