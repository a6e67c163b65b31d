"""Everything that a report tells, read from the object and, where it is at hand, the job's directory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from trainwright.api.base import Model
from trainwright.api.contract import HISTORY_FILE, JOURNAL_FILE, StepResult
from trainwright.api.job import TrainingJob
from trainwright.api.status import StepStatus
from trainwright.api.steps import Step
from trainwright.planning.lineage import step_input
from trainwright.report.attempts import Attempt, read_attempts
from trainwright.report.files import inside, read_document, read_lines
from trainwright.report.history import History, read_history

T = TypeVar("T", bound=Model)


class ArtifactParent(Model):
    """What artifact.json says of the artifact that it was made from."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(max_length=100)
    """The step that made it."""


class ArtifactDescription(Model):
    """What of artifact.json is told."""

    model_config = ConfigDict(extra="ignore")

    parent: ArtifactParent | None = None
    """What it was made from."""

    tools: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that made it."""


@dataclass(frozen=True)
class StepRecord:
    """All that is known of one step.

    Attributes:
        step: what the user wanted.
        status: where it stands.
        history: its training.
        attempts: oldest first.
        surroundings: what the newest attempt ran on.
        result: its full result.
        parent: name of the step whose artifact this one's was made from.
        tools: versions of the packages that made its artifact.
    """

    step: Step
    status: StepStatus
    history: History = field(default_factory=History)
    attempts: list[Attempt] = field(default_factory=list)
    surroundings: dict[str, Any] = field(default_factory=dict)
    result: StepResult | None = None
    parent: str | None = None
    tools: dict[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether its artifact counts."""
        return self.status.state == "Succeeded"


@dataclass(frozen=True)
class Run:
    """A job with the records of its steps.

    Attributes:
        job: the object with its status.
        steps: in order.
        with_files: whether the job's directory was at hand.
    """

    job: TrainingJob
    steps: tuple[StepRecord, ...]
    with_files: bool


def read_run(job: TrainingJob, directory: Path | None = None) -> Run:
    """The run of a job.

    Args:
        job: the object, with its status.
        directory: the job's folder on its storage, where it is at hand.
    """
    known = {status.name: status for status in job.status.steps}
    statuses = [known.get(step.name, StepStatus(name=step.name)) for step in job.spec.steps]
    steps = [_read_step(job, step, status, directory) for step, status in zip(job.spec.steps, statuses, strict=True)]
    return Run(job, tuple(steps), with_files=directory is not None)


def _read_step(job: TrainingJob, step: Step, status: StepStatus, directory: Path | None) -> StepRecord:
    parent = _planned_parent(job, step)
    if directory is None:
        return StepRecord(step, status, attempts=read_attempts((), status), parent=parent)
    folder = f"steps/{step.name}"
    events = list(read_lines(inside(directory, f"{folder}/{JOURNAL_FILE}")))
    description = _read_model(ArtifactDescription, _artifact_file(status, directory))
    started = [event for event in events if event and event.get("event") == "started"]
    return StepRecord(
        step=step,
        status=status,
        history=read_history(read_lines(inside(directory, f"{folder}/{HISTORY_FILE}"))),
        attempts=read_attempts(events, status),
        surroundings=started[-1] if started else {},
        result=_read_model(StepResult, inside(directory, f"{folder}/result.json")),
        parent=description.parent.name if description and description.parent else parent,
        tools=description.tools if description else {},
    )


def _planned_parent(job: TrainingJob, step: Step) -> str | None:
    """The step whose artifact the plan gives to this one."""
    order = [other.name for other in job.spec.steps]
    before = set(order[: order.index(step.name)])
    found = step_input(job.spec, step, [artifact for artifact in job.status.artifacts if artifact.name in before])
    return found.name if found else None


def _artifact_file(status: StepStatus, directory: Path) -> Path | None:
    return inside(directory, f"{status.artifact.path}/artifact.json") if status.artifact else None


def _read_model(model: type[T], path: Path | None) -> T | None:
    document = read_document(path)
    try:
        return model.model_validate(document) if document is not None else None
    except ValidationError:
        return None
