"""Jobs with a directory of files, as runs leave them."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainwright.api.contract import ArtifactReference, Metrics
from trainwright.api.job import TrainingJob
from trainwright.api.status import FailureRecord, StepStatus, TrainingJobStatus
from trainwright_trainers.runtime.history import History

BEGIN = 1_800_000_000.0
"""When the jobs begin, in seconds since the epoch."""
NOW = datetime.fromtimestamp(BEGIN + 1000, UTC)

TRAIN = {"name": "train", "train": {"epochs": 2}}
PRUNE = {"name": "prune", "prune": {"method": "l1-structured", "amount": 0.5}}
HARD = {"name": "hard", "prune": {"method": "l1-structured", "amount": 0.9}}
INT8 = {"name": "int8", "quantize": {"scheme": "int8-static"}}
ONNX = {"name": "onnx", "export": {"format": "onnx"}}


def moment(seconds: float) -> datetime:
    """So many seconds after the jobs begin."""
    return datetime.fromtimestamp(BEGIN + seconds, UTC)


def failure(seconds: float, message: str = "worker 0 failed") -> FailureRecord:
    """A failed attempt that was seen then."""
    return FailureRecord(attempt=1, time=moment(seconds), cause="Error", message=message)


def done(name: str, accuracy: float, size: int = 1000, **changes: Any) -> StepStatus:
    """A step that made an artifact."""
    metrics = Metrics(accuracy=accuracy, loss=0.1, latency_ms=size / 1000, size_bytes=size, parameters=size // 4)
    artifact = ArtifactReference(
        name=name, format="onnx", path=f"steps/{name}/artifact", size_bytes=size, sha256="0" * 64, metrics=metrics
    )
    status = StepStatus(
        name=name, state="Succeeded", attempts=1, start_time=moment(0), metrics=metrics, artifact=artifact
    )
    return status.model_copy(update={"completion_time": moment(10), **changes})


def job_of(steps: list[dict[str, Any]], statuses: Iterable[StepStatus] = (), **changes: Any) -> TrainingJob:
    """A job with these steps, and what became of them."""
    statuses = list(statuses)
    accepted = [status.artifact for status in statuses if status.artifact and status.state == "Succeeded"]
    status = TrainingJobStatus(phase="Complete", steps=statuses, artifacts=accepted)
    factory = {"factory": "m:f"}
    body = {
        "apiVersion": "trainwright.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "job", "namespace": "team"},
        "spec": {"framework": "pytorch", "model": factory, "data": factory, "steps": steps},
    }
    return TrainingJob.model_validate(body).model_copy(update={"status": status.model_copy(update=changes)})


def write_history(directory: Path, step: str, records: Iterable[Mapping[str, float | None]]) -> Path:
    """The step's history, as the trainers write it."""
    path = directory / "steps" / step / "history.jsonl"
    history = History(path)
    history.begin(0)
    history.append(records)
    return path


def write_journal(directory: Path, step: str, *events: Mapping[str, Any]) -> None:
    """The step's journal; every event's time is seconds after the beginning."""
    path = directory / "steps" / step / "journal.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({**event, "time": BEGIN + event["time"]}) for event in events]
    path.write_text("".join(f"{line}\n" for line in lines))
