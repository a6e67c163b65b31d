"""A small Kubernetes in memory: TrainingJob, child Jobs, pods, and a Job controller that does one thing at a time.

What it does is what `pkg/controller/job` of Kubernetes 1.34 does, as far as an Indexed Job with backoffLimit 0,
podFailurePolicy and podReplacementPolicy Failed can tell the difference. Everything takes as long as the test likes.
"""

import copy
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from trainwright.api.base import format_time
from trainwright.api.contract import StepResult
from trainwright.api.job import TrainingJob
from trainwright.manifests.names import ATTEMPT_LABEL, STEP_LABEL
from trainwright.planning.observation import WorkerOutcome

Object = dict[str, Any]

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Pod:
    """One pod of a child Job."""

    index: int
    state: str = "pending"  # then running, then ended
    stopping: bool = False
    listed: bool = True
    exit_code: int | None = None
    reason: str = ""
    result: StepResult | None = field(default=None, repr=False)
    disrupted: bool = False

    @property
    def active(self) -> bool:
        return self.state != "ended"

    @property
    def failed(self) -> bool:
        return self.state == "ended" and self.exit_code != 0

    def end(self, exit_code: int | None, **facts: Any) -> None:
        self.state, self.exit_code = "ended", exit_code
        for name, value in facts.items():
            setattr(self, name, value)

    def outcome(self) -> WorkerOutcome:
        return WorkerOutcome(self.index, self.exit_code, self.reason, self.result, "", self.disrupted)


@dataclass(repr=False)
class Job:
    """One child Job with all the pods that it ever had."""

    body: Object
    made: datetime
    pods: list[Pod] = field(default_factory=list)
    terminating: bool = False
    target: tuple[str, str, str] | None = None  # type, reason and message of the condition that it heads for
    decided: datetime | None = None
    finished: bool = False

    def __repr__(self) -> str:
        return f"{self.name} {self.uid} {self.pods} {self.terminating=} {self.target=} {self.finished=}"

    @property
    def name(self) -> str:
        return self.body["metadata"]["name"]

    @property
    def uid(self) -> str:
        return self.body["metadata"]["uid"]

    @property
    def step(self) -> str:
        return self.body["metadata"].get("labels", {}).get(STEP_LABEL, "")

    @property
    def attempt(self) -> int:
        return int(self.body["metadata"].get("labels", {}).get(ATTEMPT_LABEL, 0))

    @property
    def active_pods(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.active]

    @property
    def complete(self) -> bool:
        return self.finished and self.target is not None and self.target[0] == "Complete"

    @property
    def failed(self) -> bool:
        return self.finished and not self.complete

    def sync(self, now: datetime) -> bool:
        """What the Job controller and the garbage collector do next; whether the Job is still there."""
        if self.terminating:
            self._stop_pods()
            return bool(self.active_pods)
        if self.target is None:
            self.target, self.decided = self._verdict(), now
        if self.target is None:
            self._follow_size()
        if self.target is not None:
            self._stop_pods()
            self.finished = self.finished or not self.active_pods
        return True

    def _follow_size(self) -> None:
        """Stops the pods of the highest indices, forgets those that have ended, and makes those that are missing; one
        that is still ending keeps its place."""
        for pod in self.active_pods:
            pod.stopping = pod.stopping or self.is_surplus(pod)
        self.pods = [pod for pod in self.pods if pod.active or not self.is_surplus(pod)]
        there = {pod.index for pod in self.pods}
        self.pods += [Pod(index) for index in range(self.size) if index not in there]

    @property
    def size(self) -> int:
        completions: int = self.body["spec"]["completions"]
        return completions

    def is_surplus(self, pod: Pod) -> bool:
        return pod.index >= self.size

    def _stop_pods(self) -> None:
        for pod in self.active_pods:
            pod.stopping = True

    def _verdict(self) -> tuple[str, str, str] | None:
        done = {pod.index for pod in self.pods if pod.state == "ended" and not pod.failed}
        if self.pods and done.issuperset(range(self.size)):
            return "Complete", "CompletionsReached", ""
        if "successPolicy" in self.body["spec"] and 0 in done:
            return "Complete", "SuccessPolicy", ""
        pod = next((pod for pod in self.pods if pod.failed and self._counts(pod)), None)
        if pod is None:
            return None
        if pod.disrupted:
            message = f"Pod ns/{self.name}-{pod.index} has condition DisruptionTarget matching FailJob rule at index 0"
        elif pod.exit_code is not None and self._is_named(pod.exit_code):
            message = (
                f"Container trainer for pod ns/{self.name}-{pod.index} failed with exit code {pod.exit_code}"
                " matching FailJob rule at index 1"
            )
        else:
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        return "Failed", "PodFailurePolicy", message

    def _is_named(self, exit_code: int) -> bool:
        """Whether a rule ends the Job for the exit code, wherever the pod is."""
        rules = self.body["spec"].get("podFailurePolicy", {}).get("rules", ())
        return all(exit_code not in rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule)

    def _counts(self, pod: Pod) -> bool:
        """Whether the pod's failure ends the Job: a surplus one's only by a rule."""
        named = pod.exit_code is not None and self._is_named(pod.exit_code)
        return not self.is_surplus(pod) or pod.disrupted or named

    def as_object(self) -> Object:
        """The Job as the API server shows it."""
        body = copy.deepcopy(self.body)
        body["metadata"]["creationTimestamp"] = format_time(self.made)
        if self.terminating:
            body["metadata"]["deletionTimestamp"] = format_time(self.made)
        body["status"] = {
            "active": sum(not pod.stopping for pod in self.active_pods),
            "terminating": sum(pod.stopping for pod in self.active_pods),
            "ready": sum(pod.state == "running" for pod in self.pods),
            "succeeded": sum(pod.state == "ended" and not pod.failed for pod in self.pods),
        }
        if self.target is not None:
            kind, reason, message = self.target
            early = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
            facts = {"status": "True", "reason": reason, "message": message}
            facts["lastTransitionTime"] = format_time(self.decided or self.made)
            kinds = (early, kind) if self.finished else (early,)
            body["status"]["conditions"] = [{"type": kind, **facts} for kind in kinds]
        return body


class World:
    """The API server's state, and the time."""

    def __init__(self, job: TrainingJob) -> None:
        self.now = START
        self.job = job
        self.version = 0  # of the TrainingJob
        self.gone = False
        self.jobs: dict[str, Job] = {}
        self.leftovers: list[Job] = []
        self.history: list[Job] = []
        self._uids = itertools.count(1)

    @property
    def live_groups(self) -> list[Job]:
        """The job's groups of which there are pods."""
        return [job for job in (*self.own, *self.leftovers) if job.active_pods]

    @property
    def own(self) -> list[Job]:
        return [job for job in self.jobs.values() if owner(job.body) == self.job.metadata.uid]

    def create(self, body: Object) -> Job:
        body = copy.deepcopy(body)
        body["metadata"]["uid"] = f"job-{next(self._uids)}"
        made = Job(body, self.now)
        assert made.name not in self.jobs
        self.jobs[made.name] = made
        self.history.append(made)
        return made

    def change_job(self, **parts: Any) -> None:
        """Changes parts of the TrainingJob; the generation counts only changes of the spec."""
        self.version += 1
        if "spec" in parts:
            metadata = self.job.metadata
            parts["metadata"] = metadata.model_copy(update={"generation": metadata.generation + 1})
        self.job = self.job.model_copy(update=parts)

    def sync(self, name: str) -> None:
        if not self.jobs[name].sync(self.now):
            del self.jobs[name]

    def delete_in_background(self, job: Job) -> None:
        """Deletes the Job at once and its pods when they have stopped, as `kubectl delete` does."""
        del self.jobs[job.name]
        job.terminating = True
        job.sync(self.now)
        self.leftovers.append(job)

    def outcomes(self, uid: str) -> tuple[WorkerOutcome, ...]:
        """How the workers of a Job ended whose pods are still listed."""
        job = next((job for job in self.jobs.values() if job.uid == uid), None)
        return tuple(pod.outcome() for pod in job.pods if pod.listed and not pod.active) if job else ()

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def owner(body: Object) -> str:
    return next((reference["uid"] for reference in body["metadata"].get("ownerReferences", ())), "")
