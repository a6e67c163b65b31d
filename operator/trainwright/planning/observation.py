"""What a pass sees: the job, its child Jobs, and what their workers said when they ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from trainwright.api.contract import StepResult
from trainwright.api.job import TrainingJob
from trainwright.api.status import Progress
from trainwright.manifests.elasticity import Bounds
from trainwright.manifests.names import ATTEMPT_LABEL, STEP_LABEL


@dataclass(frozen=True)
class ChildJob:
    """One child Job, as far as decisions depend on it.

    Attributes:
        name: its name.
        uid: tells it from an earlier one of the same name.
        step: the step that it runs; empty for a Job that was not made by us.
        attempt: which attempt at the step, from 1.
        body: the whole object.
        owner: uid of the object that controls it.
        created: when it was made, where that is known.
        terminating: it is being deleted; it counts as live until it is gone, since its pods may be.
        succeeded: all its pods ended well.
        failed: it was given up, and its last pod is gone or ended. Kubernetes says so from 1.31 on; before it only
            meant that no further pod is made.
        reason: of its failure, in Kubernetes' words.
        message: of its failure, in Kubernetes' words.
        ending_since: when its outcome was decided, which is told when its last pod has ended; none before that.
        active: pods that are pending or running.
        leaving: pods that are being deleted and have not ended.
        ready: pods that are ready.
        done: pods that ended well.
    """

    name: str
    uid: str
    step: str
    attempt: int
    body: Mapping[str, Any]
    owner: str = ""
    created: datetime | None = None
    terminating: bool = False
    succeeded: bool = False
    failed: bool = False
    reason: str = ""
    message: str = ""
    ending_since: datetime | None = None
    active: int = 0
    leaving: int = 0
    ready: int = 0
    done: int = 0

    @property
    def size(self) -> int:
        """Workers that it was made for."""
        size: int = self.body["spec"].get("parallelism", 1)
        return size

    @property
    def bounds(self) -> Bounds | None:
        """The sizes that it can take on in place; none when it keeps its size."""
        return Bounds.read(self.body["metadata"]) if "metadata" in self.body else None

    @property
    def suspended(self) -> bool:
        """Whether it may not make pods for now: its queue, or somebody by hand, says so."""
        return bool(self.body["spec"].get("suspend"))

    @property
    def finished(self) -> bool:
        """Whether its outcome is known and none of its pods runs."""
        return self.succeeded or self.failed

    @property
    def live(self) -> bool:
        """Whether it has, or may still make, running pods."""
        return self.terminating or not self.finished


@dataclass(frozen=True)
class WorkerOutcome:
    """How one worker of a finished Job ended.

    Attributes:
        index: the worker's index in its group.
        exit_code: of its container; none when it never ran or its pod is gone.
        reason: Kubernetes' word for it, such as `OOMKilled` or `Evicted`.
        result: what it left as its termination message.
        last_words: that message where it is no result, such as the last lines of a user's program.
        disrupted: whether its pod was ended from outside (preemption, eviction, drain, a lost node).
    """

    index: int
    exit_code: int | None = None
    reason: str = ""
    result: StepResult | None = None
    last_words: str = ""
    disrupted: bool = False


@dataclass(frozen=True)
class Observation:
    """Everything that one pass decides from.

    Attributes:
        job: the TrainingJob with its last status.
        children: every Job that is labelled as the job's, or has the name of one of its children. Those that another
            object controls, such as an earlier TrainingJob of the same name, only stand in the way.
        outcomes: by uid of a finished child, how its workers ended; only those that a plan asked for.
        progress: of the running step, as its own endpoint tells.
        waiting: why the running step's pods don't start, in words; empty when they do.
        refused: what was said when the objects of the plan could not be put in place; the plan is then made anew, with
            this, so that the status tells. Empty in a pass of its own.
        deleting: the TrainingJob is being deleted.
    """

    job: TrainingJob
    children: tuple[ChildJob, ...] = ()
    outcomes: Mapping[str, tuple[WorkerOutcome, ...]] = field(default_factory=dict)
    progress: Progress | None = None
    waiting: str = ""
    refused: str = ""
    deleting: bool = False

    @property
    def own(self) -> tuple[ChildJob, ...]:
        """The children that this very object controls."""
        return tuple(child for child in self.children if child.owner == self.job.metadata.uid)

    @property
    def taken_names(self) -> frozenset[str]:
        """Names that Jobs of others have."""
        return frozenset(child.name for child in self.children if child.owner != self.job.metadata.uid)


def read_child(body: Mapping[str, Any]) -> ChildJob:
    """The facts of a Job object, whoever made it."""
    metadata, status = body["metadata"], body.get("status", {})
    labels, attempt = metadata.get("labels", {}), metadata.get("labels", {}).get(ATTEMPT_LABEL, "")
    owners = (owner["uid"] for owner in metadata.get("ownerReferences", ()) if owner.get("controller"))
    created = metadata.get("creationTimestamp")
    conditions = {item["type"]: item for item in status.get("conditions", ()) if item["status"] == "True"}
    failure = conditions.get("Failed", {})
    decided = (conditions.get("FailureTarget") or conditions.get("SuccessCriteriaMet") or {}).get("lastTransitionTime")
    uncounted = status.get("uncountedTerminatedPods", {})
    return ChildJob(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        step=labels.get(STEP_LABEL, ""),
        attempt=int(attempt) if attempt.isdecimal() else 0,
        body=body,
        owner=next(owners, ""),
        created=datetime.fromisoformat(created) if created else None,
        terminating="deletionTimestamp" in metadata,
        succeeded="Complete" in conditions,
        failed="Failed" in conditions,
        reason=failure.get("reason", ""),
        message=failure.get("message", ""),
        ending_since=datetime.fromisoformat(decided) if decided else None,
        active=status.get("active") or 0,
        leaving=status.get("terminating") or 0,
        ready=status.get("ready") or 0,
        done=(status.get("succeeded") or 0) + len(uncounted.get("succeeded", ())),
    )


def read_result(message: str) -> StepResult | None:
    """The result that a termination message holds; none when it is some other text."""
    try:
        return StepResult.model_validate_json(message)
    except ValidationError:
        return None
