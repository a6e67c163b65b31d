"""What operator and trainer say to each other: environment variables, the step's configuration, its result.

A trainer needs this module and `steps`, and no more of the operator.
"""

from typing import Literal

from pydantic import Field

from trainwright.api.base import JsonObject, Model, Time
from trainwright.api.steps import Factory, Step

STEP_VARIABLE = "TRAINWRIGHT_STEP"
"""The step's configuration, a `StepConfiguration` as JSON."""
ROOT_VARIABLE = "TRAINWRIGHT_ROOT"
"""Where the job's storage is mounted; every path in the configuration and the result is relative to it."""
TERMINATION_VARIABLE = "TRAINWRIGHT_TERMINATION_LOG"
"""The file that a pod's result is written to: its termination message, 4 KiB at most."""
METRICS_PORT_VARIABLE = "TRAINWRIGHT_METRICS_PORT"
"""The port on which the process of rank 0 serves /metrics."""
INPUT_VARIABLE = "TRAINWRIGHT_INPUT"
"""The directory of the artifact to start from, as an absolute path, for programs that only read variables."""
OUTPUT_VARIABLE = "TRAINWRIGHT_OUTPUT"
"""Likewise the directory for the step's artifact."""
CHECKPOINTS_VARIABLE = "TRAINWRIGHT_CHECKPOINTS"
"""Likewise the directory for the step's checkpoints."""
INDEX_VARIABLE = "TRAINWRIGHT_INDEX"
"""The worker's index in its group, from 0; set before every variable of the rendezvous."""
PROCESSES_VARIABLE = "TRAINWRIGHT_PROCESSES_PER_WORKER"
"""How many processes each worker of the step has."""

ELASTIC_RENDEZVOUS = "trainwright"
"""PyTorch: the value of PET_RDZV_BACKEND in a group that forms itself anew when its size changes."""

HISTORY_FILE = "history.jsonl"
"""In a step's directory: the one true series of its training, a line of JSON an optimizer step or epoch."""
JOURNAL_FILE = "journal.jsonl"
"""In a step's directory: what happened in all its attempts, a line of JSON an event."""

TERMINATION_MESSAGE_LIMIT = 4096
"""Bytes; Kubernetes cuts off what is longer."""

EXIT_DONE = 0
EXIT_BAD_CONFIGURATION = 2
"""The user's mistake: running it again gives the same."""
EXIT_STOPPED = 143
"""Stopped on request (SIGTERM), after a checkpoint was saved: 128 + 15."""


class StepConfiguration(Model):
    """Everything a trainer must know to run one step."""

    job: str
    """Name of the TrainingJob."""

    namespace: str
    """Its namespace."""

    framework: str
    """The framework whose trainer runs the step."""

    seed: int = 0
    """Seed of all random numbers."""

    model: Factory | None = None
    """What makes the model; not needed by a `run` step."""

    data: Factory | None = None
    """What makes the data splits; not needed by a `run` step."""

    step: Step
    """The step itself."""

    input: str | None = None
    """Directory of the accepted artifact that the step starts from, relative to the storage's root."""

    output: str
    """Directory that the step's artifact is to be written to, relative to the storage's root."""

    checkpoints: str
    """Directory of the step's checkpoints, relative to the storage's root."""

    storage: str = ""
    """Where the cluster finds the storage's root, as a URI such as `pvc://digits/digits`."""


class Metrics(Model):
    """What was measured of an artifact."""

    accuracy: float | None = None
    """Share of right answers on the validation split, from 0 to 1."""

    loss: float | None = None
    """Mean loss on the validation split."""

    latency_ms: float | None = None
    """Median time of one inference at batch size 1, in milliseconds."""

    size_bytes: int | None = None
    """Bytes of the artifact's files."""

    parameters: int | None = None
    """Number of stored weights that are not exactly zero."""

    sparsity: float | None = None
    """Share of the stored weights that are exactly zero."""


class ArtifactReference(Model):
    """An artifact of the job: a directory with an `artifact.json`."""

    name: str
    """The step that made it."""

    format: str
    """What it is, such as `safetensors` or `onnx`."""

    path: str
    """Its directory, relative to the storage's root."""

    size_bytes: int = Field(ge=0)
    """Bytes of its files."""

    sha256: str
    """Digest of its artifact.json, which lists the digest of every file."""

    metrics: Metrics = Metrics()
    """What was measured of it."""


class LostTime(Model):
    """Seconds of a step's time in which its workers ran and nothing was gained, over all its attempts."""

    start: float = 0.0
    """From the start of the trainer's process until it has made model and data."""

    rendezvous: float = 0.0
    """Until all processes were connected."""

    restore: float = 0.0
    """Finding, checking and reading checkpoints."""

    replay: float = 0.0
    """Work after the checkpoint that a restart went on from: it was done again."""

    checkpoint: float = 0.0
    """The training stood still while a checkpoint was taken; what is written in the background isn't counted."""

    def rounded(self) -> "LostTime":
        """The same to a tenth of a second."""
        return LostTime(**{cause: round(seconds, 1) for cause, seconds in self.model_dump().items()})


class Fault(Model):
    """Why a process of a step failed."""

    kind: str = Field(max_length=100)
    """The error's class, such as `ValueError`, or the signal's name, such as `SIGKILL`."""

    message: str
    """The error's last line, cut to what fits."""

    rank: int | None = None
    """Rank of the process it happened in."""

    exit_code: int | None = None
    """Exit code of that process; 128 + the number for a signal."""

    secondary: bool = False
    """Whether it only follows from another process' failure, as a broken connection does."""

    time: Time | None = None
    """When it happened."""


class StepResult(Model):
    """What a pod leaves as its termination message."""

    outcome: Literal["Succeeded", "Failed", "Stopped"]
    """`Stopped` says that a checkpoint was saved on request."""

    metrics: Metrics = Metrics()
    """What was measured of the step's artifact, in the process that made it."""

    reference: Metrics = Metrics()
    """What was measured of the step's input in the same process, so that the ratio of two times is right."""

    artifact: ArtifactReference | None = None
    """The step's artifact; an `evaluate` or `run` step may make none."""

    training_step: int | None = Field(default=None, ge=0)
    """Optimizer steps done, for a step that trains."""

    resumed_from: int | None = Field(default=None, ge=0)
    """Optimizer step of the checkpoint that this attempt went on from."""

    fault: Fault | None = None
    """Why it failed."""

    lost: LostTime | None = None
    """Time in which nothing was gained, for a step that trains."""

    notes: list[str] = []
    """What the user should know, such as a damaged checkpoint that was passed over."""

    details: JsonObject = {}
    """Further numbers of the kind of step, such as a parity check's largest difference."""
