"""Stands in for Kubernetes' Job controller: keeps child Jobs, runs their pods as processes, writes their status."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainwright.api.contract import EXIT_DONE, EXIT_STOPPED
from trainwright.local.pod import LocalPod
from trainwright.planning.observation import ChildJob, WorkerOutcome, read_child

Object = dict[str, Any]


class LocalJob:
    """One child Job and its pods."""

    def __init__(self, body: Object, directory: Path, programs: Path) -> None:
        """Starts a pod for each of the Job's completions."""
        self.body = body | {"metadata": body["metadata"] | {"uid": str(uuid.uuid4())}}
        self.pods: list[LocalPod] = []
        self._directory, self._programs = directory, programs
        self._deleted = False
        self._start_missing()

    def delete(self) -> None:
        """Begins to stop the pods; the Job is gone when the last one has ended."""
        self._deleted = True

    def resize(self, size: int) -> None:
        """Has as many pods from now on: those of the highest indices are stopped, or new ones are started."""
        self.body = self.body | {"spec": self.body["spec"] | {"completions": size, "parallelism": size}}

    def sync(self) -> None:
        """Stops the pods of a Job that is deleted or decided, and those of which there are to be no more."""
        over = self._deleted or self._succeeded or self._failed_pod() is not None
        for pod in self._running():
            if over or self._is_surplus(pod):
                pod.stop()
        if not over:
            self.pods = [pod for pod in self.pods if not (self._is_surplus(pod) and pod.exit_code == EXIT_STOPPED)]
            self._start_missing()

    @property
    def gone(self) -> bool:
        """Whether it was deleted and nothing is left of it."""
        return self._deleted and not self._running()

    def observe(self) -> ChildJob:
        """The Job as the API server would show it."""
        running, failed = self._running(), self._failed_pod()
        leaving = sum(self._is_surplus(pod) for pod in running)
        active = len(running) - leaving
        done = sum(pod.exit_code == EXIT_DONE for pod in self.pods)
        status: Object = {"active": active, "ready": active, "terminating": leaving, "succeeded": done}
        if not running and (self._succeeded or failed is None):
            status["conditions"] = [{"type": "Complete", "status": "True"}]
        elif not running and failed is not None:
            status["conditions"] = [{"type": "Failed", "status": "True", **_reason(self.body, failed)}]
        metadata = self.body["metadata"] | ({"deletionTimestamp": "now"} if self._deleted else {})
        return read_child(self.body | {"metadata": metadata, "status": status})

    def outcomes(self) -> tuple[WorkerOutcome, ...]:
        """How each worker ended."""
        return tuple(pod.outcome() for pod in self.pods)

    def _running(self) -> list[LocalPod]:
        return [pod for pod in self.pods if pod.exit_code is None]

    def _failed_pod(self) -> LocalPod | None:
        """The first that failed; one that is surplus is stopped, which is no failure."""
        ended = (pod for pod in self.pods if pod.exit_code not in (None, EXIT_DONE))
        return next((pod for pod in ended if not (self._is_surplus(pod) and pod.exit_code == EXIT_STOPPED)), None)

    @property
    def _succeeded(self) -> bool:
        """Whether the workers are done whose success is enough."""
        policy = self.body["spec"].get("successPolicy")
        if policy is None:
            return False
        first, _, last = policy["rules"][0]["succeededIndexes"].partition("-")
        return all(self.pods[index].exit_code == EXIT_DONE for index in range(int(first), int(last or first) + 1))

    def _is_surplus(self, pod: LocalPod) -> bool:
        size: int = self.body["spec"]["parallelism"]
        return pod.index >= size

    def _start_missing(self) -> None:
        """Starts a pod for each of the Job's completions that has none."""
        name, spec = self.body["metadata"]["name"], self.body["spec"]
        size, there = spec["parallelism"], {pod.index for pod in self.pods}
        for index in sorted(set(range(size)) - there):
            pod = LocalPod(spec["template"], f"{name}-{index}", index, size, self._directory, self._programs)
            self.pods.append(pod)


def _reason(body: Object, failed: LocalPod) -> Object:
    """Kubernetes' words for the failure."""
    for index, rule in enumerate(body["spec"]["podFailurePolicy"]["rules"]):
        if failed.exit_code in rule.get("onExitCodes", {}).get("values", ()):
            message = f"Container trainer for pod {failed.name} failed with exit code {failed.exit_code}"
            return {"reason": "PodFailurePolicy", "message": f"{message} matching FailJob rule at index {index}"}
    return {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}


class LocalCluster:
    """The child Jobs of one run, by name."""

    def __init__(self, directory: Path, programs: Path) -> None:
        """Keeps the logs below `directory`, and runs the Python in the folder `programs`."""
        self._directory, self._programs = directory, programs
        self._jobs: dict[str, LocalJob] = {}

    def apply(self, body: Object) -> None:
        """Puts an object in place. Services and claims are no more than this machine's loopback and the directory."""
        name = body["metadata"]["name"]
        if body["kind"] == "Job" and name not in self._jobs:
            self._jobs[name] = LocalJob(body, self._directory, self._programs)

    def resize(self, child: ChildJob, size: int) -> None:
        """Gives a Job another number of pods."""
        self._jobs[child.name].resize(size)

    def delete(self, child: ChildJob) -> None:
        """Begins to delete a Job with its pods."""
        self._jobs[child.name].delete()

    def sync(self) -> None:
        """Does what a controller would have done in the meantime."""
        for job in self._jobs.values():
            job.sync()
        self._jobs = {name: job for name, job in self._jobs.items() if not job.gone}

    def children(self) -> tuple[ChildJob, ...]:
        """The Jobs that are there."""
        return tuple(job.observe() for job in self._jobs.values())

    def outcomes(self, child: ChildJob) -> tuple[WorkerOutcome, ...]:
        """How the workers of a finished Job ended."""
        return self._jobs[child.name].outcomes()

    def pods(self, child: ChildJob) -> list[LocalPod]:
        """The workers of a Job."""
        return self._jobs[child.name].pods

    def kill(self) -> None:
        """Kills whatever still runs."""
        for pod in self._running():
            pod.kill()

    def _running(self) -> Iterator[LocalPod]:
        return (pod for job in self._jobs.values() for pod in job.pods if pod.exit_code is None)
