"""The working copy that a pass writes its decisions into, and that becomes the plan."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from trainwright.api.contract import ArtifactReference
from trainwright.api.job import TrainingJob
from trainwright.api.status import FINISHED_STATES, Condition, Progress, StepStatus, TrainingJobStatus
from trainwright.api.steps import Step
from trainwright.manifests.names import pod_selector
from trainwright.planning.actions import Event, Plan, Resize
from trainwright.planning.conditions import ConditionType, is_finished, is_true, phase_of, set_condition
from trainwright.planning.observation import ChildJob
from trainwright.planning.phases import phase_times


@dataclass
class Draft:
    """A pass's decisions so far. Policies change it; `plan` makes it final."""

    job: TrainingJob
    now: datetime
    steps: dict[str, StepStatus]
    conditions: list[Condition]
    artifacts: list[ArtifactReference]
    start_time: datetime | None
    completion_time: datetime | None
    progress: Progress | None = None
    replicas: int = 0
    stopping: bool = False
    apply: list[dict[str, Any]] = field(default_factory=list)
    resize: list[Resize] = field(default_factory=list)
    delete: list[ChildJob] = field(default_factory=list)
    delete_job: bool = False
    events: list[Event] = field(default_factory=list)
    look_again: datetime | None = None

    @classmethod
    def of(cls, job: TrainingJob, now: datetime) -> "Draft":
        """A working copy of the job's last status, with an entry for every step."""
        known = {step.name: step for step in job.status.steps}
        return cls(
            job=job,
            now=now,
            steps={step.name: known.get(step.name, StepStatus(name=step.name)) for step in job.spec.steps},
            conditions=list(job.status.conditions),
            artifacts=list(job.status.artifacts),
            start_time=job.status.start_time,
            completion_time=job.status.completion_time,
        )

    @property
    def finished(self) -> bool:
        """Whether the job has come to its end; nothing changes that."""
        return is_finished(self.conditions)

    @property
    def current_step(self) -> Step | None:
        """The first step that is not done; none when all are."""
        return next((step for step in self.job.spec.steps if self.steps[step.name].state not in FINISHED_STATES), None)

    def update_step(self, name: str, **changes: Any) -> StepStatus:
        """Changes fields of one step's status."""
        self.steps[name] = self.steps[name].model_copy(update=changes)
        return self.steps[name]

    def set(self, kind: ConditionType, holds: bool, reason: str, message: str = "") -> None:
        """Sets a condition; one that never was true is not mentioned when it is false."""
        generation = self.job.metadata.generation
        self.conditions = set_condition(self.conditions, kind, holds, reason, message, self.now, generation)

    def says(self, kind: ConditionType, reason: str, message: str) -> bool:
        """Whether the condition tells exactly this already."""
        return any((item.type, item.reason, item.message) == (kind, reason, message) for item in self.conditions)

    def tell(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Adds an event."""
        self.events.append(Event(kind, reason, message))

    def look_again_at(self, moment: datetime) -> None:
        """Makes sure that the job is looked at again at this moment, or before."""
        self.look_again = min(self.look_again or moment, moment)

    def end(self, kind: Literal["Complete", "Failed"], reason: str, message: str) -> None:
        """Brings the job to its end; the step that it fails at has failed."""
        self.completion_time = self.now
        if kind == "Failed" and self.current_step is not None:
            self.update_step(self.current_step.name, state="Failed", completion_time=self.now)
        for other in ("Running", "Restarting", "Suspended"):
            self.set(other, False, reason, message)
        self.set(kind, True, reason, message)
        self.tell("Normal" if kind == "Complete" else "Warning", reason, message)

    def plan(self) -> Plan:
        """The plan that the decisions amount to."""
        current = None if self.finished else self.current_step
        if current is not None:
            self.update_step(current.name, state="Running" if is_true(self.conditions, "Running") else "Pending")
        self._keep_lost_time()
        phase = phase_of(self.conditions, self.stopping)
        since, spent = phase_times(self.job, phase, self.now)
        status = TrainingJobStatus(
            phase=phase,
            phase_since=since,
            phase_seconds=spent,
            conditions=self.conditions,
            observed_generation=self.job.metadata.generation,
            current_step=current.name if current else None,
            progress=self.progress,
            accuracy=self._accuracy(),
            start_time=self.start_time,
            completion_time=self.completion_time,
            replicas=self.replicas,
            selector=pod_selector(self.job, current) if current else self.job.status.selector,
            restarts=_restarts(self.steps.values()),
            steps=list(self.steps.values()),
            artifacts=self.artifacts,
        )
        return Plan(
            status=status,
            apply=tuple(self.apply),
            resize=tuple(self.resize),
            delete=tuple(self.delete),
            delete_job=self.delete_job,
            events=tuple(self.events),
            look_again=self.look_again,
        )

    def _keep_lost_time(self) -> None:
        """What the step's trainer told last outlives its progress."""
        before = self.job.status
        told = before.progress.lost if before.progress else None
        step = self.steps.get(before.current_step or "")
        if self.progress is None and told is not None and step is not None and step.completion_time is None:
            self.update_step(step.name, lost=told)

    def _accuracy(self) -> float | None:
        """The newest accuracy that was measured."""
        if self.progress is not None and self.progress.accuracy is not None:
            return self.progress.accuracy
        accepted = [step.metrics for step in self.steps.values() if step.state == "Succeeded" and step.metrics]
        return next((metrics.accuracy for metrics in reversed(accepted) if metrics.accuracy is not None), None)


def _restarts(steps: Iterable[StepStatus]) -> int:
    return sum(max(step.attempts - 1, 0) for step in steps)
