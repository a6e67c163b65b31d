"""What a TrainingJob's status tells: computed anew in every pass, written by the operator only."""

from typing import Literal

from pydantic import Field

from trainwright.api.base import Model, Time
from trainwright.api.contract import ArtifactReference, LostTime, Metrics

Phase = Literal["Pending", "Running", "Restarting", "Suspending", "Suspended", "Complete", "Failed"]
StepState = Literal["Pending", "Running", "Succeeded", "RolledBack", "Failed"]

FINISHED_STATES = frozenset({"Succeeded", "RolledBack"})
"""States of a step after which the next one may begin."""


class Condition(Model):
    """One observation of the job, as Kubernetes' own conditions are."""

    type: Literal["Running", "Restarting", "Suspended", "Complete", "Failed"]
    """What is observed."""

    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""

    reason: str = Field(min_length=1, max_length=1024)
    """Why, as one word in CamelCase."""

    message: str = Field(default="", max_length=32768)
    """Why, for people."""

    last_transition_time: Time
    """When `status` last changed."""

    observed_generation: int | None = None
    """The generation of the object that this was computed from."""


class GateResult(Model):
    """How a step did at its gate."""

    passed: bool
    """Whether every goal was met."""

    message: str
    """Each goal with what was measured and what was wanted."""


class FailureRecord(Model):
    """One failed attempt at a step."""

    attempt: int
    """Which attempt."""

    time: Time
    """When it was seen."""

    cause: Literal["Error", "Disruption"]
    """A disruption comes from outside (preemption, eviction, drain, a lost node) and doesn't count as a failure."""

    message: str
    """The failing worker, its exit code and its last error line."""

    reason: str = ""
    """The failure in one word: the signal or the class of the error, such as `SIGKILL` or `NonFiniteLossError`, or
    Kubernetes' own word, such as `OOMKilled`."""

    training_step: int | None = None
    """Optimizer step that it happened at, where known."""


class StepStatus(Model):
    """Where one step stands."""

    name: str
    """The step's name."""

    state: StepState = "Pending"
    """`RolledBack` means that its gate was missed and the artifact before it was kept."""

    start_time: Time | None = None
    """When its first attempt began."""

    completion_time: Time | None = None
    """When it ended."""

    attempts: int = 0
    """How often it was started."""

    failures: list[FailureRecord] = []
    """The last failed attempts, newest last."""

    failed_attempts: int = 0
    """Failures that count against backoffLimit."""

    metrics: Metrics | None = None
    """What was measured of its artifact."""

    gate: GateResult | None = None
    """How it did at its gate."""

    artifact: ArtifactReference | None = None
    """What it made, also when that was not accepted."""

    lost: LostTime | None = None
    """Time of it in which nothing was gained, as its trainer told last."""

    notes: list[str] = []
    """What the user should know of it, such as a damaged checkpoint that was passed over."""


class Progress(Model):
    """How far the current step is, as the trainer's own endpoint tells."""

    percent: int | None = Field(default=None, ge=0, le=100)
    """Share of the step that is done."""

    training_step: int | None = None
    """Optimizer steps done."""

    epoch: int | None = None
    """Passes over the training split begun."""

    loss: float | None = None
    """Training loss."""

    accuracy: float | None = None
    """Accuracy on the validation split, as last measured."""

    samples_per_second: float | None = None
    """Samples trained on a second, by all workers together."""

    remaining_seconds: int | None = None
    """Estimated time to the end of the step."""

    lost: LostTime | None = None
    """Time of the step so far in which nothing was gained."""


class PhaseSeconds(Model):
    """How long the job was in each phase, up to the last change of its phase."""

    pending: int = 0
    """It waited for its workers."""

    running: int = 0
    """Its workers ran."""

    restarting: int = 0
    """A failed or resized group was replaced."""

    suspended: int = 0
    """It held no workers, as it was told to."""


class TrainingJobStatus(Model):
    """Where the job stands."""

    phase: Phase | None = None
    """One word for people; computed from the conditions."""

    phase_since: Time | None = None
    """Since when the phase is that."""

    phase_seconds: PhaseSeconds = PhaseSeconds()
    """How long it was in each phase before that."""

    conditions: list[Condition] = []
    """What is so, why, and since when."""

    observed_generation: int | None = None
    """The generation of the object that this status was computed from."""

    current_step: str | None = None
    """The step that is running or next."""

    progress: Progress | None = None
    """How far it is."""

    accuracy: float | None = None
    """The newest that was measured: of the running step, else of the last one that succeeded."""

    start_time: Time | None = None
    """When the job began, or was last resumed; activeDeadlineSeconds counts from it."""

    completion_time: Time | None = None
    """When it ended."""

    replicas: int | None = None
    """Workers that are live."""

    selector: str | None = None
    """Labels of the workers' pods, for the scale subresource."""

    restarts: int = 0
    """Attempts after the first one, of all steps together, whatever the cause."""

    steps: list[StepStatus] = []
    """Every step."""

    artifacts: list[ArtifactReference] = []
    """Every accepted artifact, oldest first."""
