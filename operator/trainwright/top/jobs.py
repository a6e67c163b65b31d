"""What a row of the table tells of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FINISHED = ("Complete", "Failed")
LONGEST_REASON = 200
"""Characters of why a job waits that are kept."""


@dataclass(frozen=True)
class Row:
    """One job, in words; what isn't known is empty.

    Attributes:
        waits: why it doesn't run.
        percent: how far its step is.
    """

    namespace: str
    name: str
    phase: str
    step: str
    percent: int | None
    loss: str
    accuracy: str
    samples_per_second: str
    eta: str
    workers: str
    restarts: str
    age: str
    waits: str

    @property
    def finished(self) -> bool:
        """Whether the job is over."""
        return self.phase in FINISHED


def read_row(body: Mapping[str, Any], now: datetime) -> Row:
    """The row of a TrainingJob as the API server gives it."""
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    progress = status.get("progress") or {}
    phase = status.get("phase") or "Pending"
    steps = [step["name"] for step in spec.get("steps", ())]
    current = status.get("currentStep") or ""
    accuracy = progress.get("accuracy", status.get("accuracy"))
    remaining = progress.get("remainingSeconds")
    wanted = (spec.get("workers") or {}).get("replicas", 1)
    return Row(
        namespace=metadata["namespace"],
        name=metadata["name"],
        phase=phase,
        step=f"{current} {steps.index(current) + 1}/{len(steps)}" if current in steps else current,
        percent=progress.get("percent"),
        loss=_number(progress.get("loss"), "{:.4f}"),
        accuracy=_number(accuracy, "{:.4f}"),
        samples_per_second=_number(progress.get("samplesPerSecond"), "{:.0f}"),
        eta="" if remaining is None else span(remaining),
        workers=f"{status.get('replicas') or 0}/{wanted}",
        restarts=str(status.get("restarts") or 0),
        age=span((now - datetime.fromisoformat(metadata["creationTimestamp"])).total_seconds()),
        waits="" if phase in ("Running", "Complete") else _why(status, phase),
    )


def span(seconds: float) -> str:
    """A span of time as kubectl writes it: `45s`, `12m`, `3h12m`, `4d5h`."""
    minutes, second = divmod(max(int(seconds), 0), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour}h" if hour else f"{days}d"
    if hours:
        return f"{hours}h{minute}m" if minute else f"{hours}h"
    return f"{minutes}m{second}s" if 0 < minutes < 10 and second else f"{minutes}m" if minutes else f"{second}s"


def _why(status: Mapping[str, Any], phase: str) -> str:
    """Reason and message of the condition that explains the phase, on one line and without control characters: the
    message may hold what a user's program said."""
    kind = phase if phase in ("Failed", "Suspended") else "Running"
    said = next((item for item in status.get("conditions", ()) if item["type"] == kind), None)
    if said is None:
        return ""
    text = f"{said['reason']}: {said['message']}" if said.get("message") else said["reason"]
    return "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_REASON])


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
