"""The run's directory: the object with its status in trainingjob.json, and a lock that keeps a second runner out."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainwright.api.job import TrainingJob
from trainwright.api.status import TrainingJobStatus

FILE = "trainingjob.json"


class DirectoryInUseError(RuntimeError):
    """Another runner works in the directory."""


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Keeps the directory for this process.

    Raises:
        DirectoryInUseError: another process has it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DirectoryInUseError(f"{directory} is in use by another run") from error
        yield


def load(directory: Path) -> dict[str, Any] | None:
    """The object that a run before left; none where there was none."""
    path = directory / FILE
    if not path.exists():
        return None
    body: dict[str, Any] = json.loads(path.read_text())
    return body


def save(directory: Path, job: TrainingJob) -> None:
    """Writes the object with its status, whole or not at all."""
    partial = directory / f".{FILE}.partial"
    partial.write_text(json.dumps(job.to_dict(), indent=2) + "\n")
    partial.replace(directory / FILE)


def reopen(status: TrainingJobStatus) -> TrainingJobStatus:
    """A failed run's status with its failed step to be tried anew; what is done stays done.

    On a cluster a failed job stays failed. Here the user has just typed the same command again.
    """
    steps = [
        step.model_copy(update={"state": "Pending", "completion_time": None, "failures": [], "failed_attempts": 0})
        if step.state == "Failed"
        else step
        for step in status.steps
    ]
    conditions = [condition for condition in status.conditions if condition.type != "Failed"]
    return status.model_copy(
        update={"steps": steps, "conditions": conditions, "completion_time": None, "start_time": None}
    )
