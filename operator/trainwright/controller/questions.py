"""What only pods can answer, asked when a decision needs it: how a worker ended, and why one doesn't start."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from trainwright.api.job import TrainingJob
from trainwright.controller.client import ApiError, Client, Object
from trainwright.controller.pace import Pace
from trainwright.controller.pods import explain_waiting, is_live, worker_outcome
from trainwright.controller.queue import Key
from trainwright.controller.store import is_child, owner_uid
from trainwright.manifests.names import JOB_LABEL, STEP_LABEL
from trainwright.planning.execution import EXPLAIN_AFTER
from trainwright.planning.observation import ChildJob, WorkerOutcome

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""Seconds between two looks at pods that don't start: ever more."""

LOOKS_A_SECOND = 2.0
"""Looks at pods that don't start, for all jobs: where thousands wait, most wait for the same."""


@dataclass
class _Look:
    """The last look at a Job's pods, and the next one.

    Attributes:
        due: when the next one is, by the monotonic clock.
        turn: whether that is this Job's own turn among all that wait, and not only the end of a pause.
    """

    due: float
    turn: bool = False
    answer: str = ""
    pause: float = FIRST_PAUSE


class Questions:
    """Asks the API server for the pods of child Jobs.

    Args:
        client: asks.
        heard: gives up how the first worker of a Job, by its uid, ended well, if that is known without asking.
    """

    def __init__(self, client: Client, heard: Callable[[str], WorkerOutcome | None] = lambda _uid: None) -> None:
        self._client, self._heard = client, heard
        self._looks: dict[Key, _Look] = {}
        self._pace = Pace(LOOKS_A_SECOND)

    async def outcomes(self, job: TrainingJob, child: ChildJob) -> tuple[WorkerOutcome, ...]:
        """How the workers of a finished Job ended; those whose pods are gone are not among them.

        Of a Job that succeeded the first one's result is all that counts.
        """
        if child.succeeded and (first := self._heard(child.uid)):
            return (first,)
        selector = f"batch.kubernetes.io/controller-uid={child.uid}"
        pods = await self._client.read_all("Pod", job.metadata.namespace, labelSelector=selector)
        return tuple(sorted((worker_outcome(pod) for pod in pods), key=lambda outcome: outcome.index))

    async def why_waiting(self, job: TrainingJob, children: tuple[ChildJob, ...]) -> tuple[str, float | None]:
        """Why the workers of the running Job are not ready, once they had their time; asked less and less often.

        Returns:
            What is known of it, and in how many seconds more may be; none when nothing waits.
        """
        key, now = (job.metadata.namespace, job.metadata.name), time.monotonic()
        child = next((child for child in children if child.live and not child.terminating), None)
        if child is None or child.ready + child.done >= child.size:
            self.forget(key)
            return "", None
        look = self._looks.setdefault(key, _Look(due=now + EXPLAIN_AFTER.total_seconds()))
        if now >= look.due and not look.turn:
            look.due, look.turn = self._pace.reserve(), True
        if time.monotonic() >= look.due:
            look.answer = await self._ask(job, child)
            look.due, look.turn = now + look.pause, False
            look.pause = min(2 * look.pause, LONGEST_PAUSE)
        return look.answer, max(look.due - now, 0.0)

    async def lost_child(self, wanted: Object) -> Object | None:
        """The job's own Job of that name, if it is there without the labels that it is watched by."""
        metadata = wanted["metadata"]
        try:
            found = await self._client.read("Job", metadata["namespace"], metadata["name"])
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return found if owner_uid(found) == owner_uid(wanted) and not is_child(found) else None

    async def leftover_groups(self, job: TrainingJob, children: tuple[ChildJob, ...]) -> tuple[ChildJob, ...]:
        """The groups whose Job is gone while pods of theirs are live, as Jobs that are being deleted."""
        selector = f"{JOB_LABEL}={job.metadata.name},{STEP_LABEL}"
        pods = await self._client.read_all("Pod", job.metadata.namespace, labelSelector=selector)
        known = {child.uid for child in children}
        return tuple(
            ChildJob(
                name=labels.get("batch.kubernetes.io/job-name", pod["metadata"]["name"]),
                uid=uid,
                step=labels[STEP_LABEL],
                attempt=0,
                body={"spec": {}},
                owner=job.metadata.uid,
                terminating=True,
            )
            for pod in pods
            if is_live(pod)
            and (labels := pod["metadata"]["labels"])
            and (uid := labels.get("batch.kubernetes.io/controller-uid", "")) not in known
        )

    def forget(self, key: Key) -> None:
        """Nothing waits there any more."""
        self._looks.pop(key, None)

    async def _ask(self, job: TrainingJob, child: ChildJob) -> str:
        namespace = job.metadata.namespace
        selector = f"batch.kubernetes.io/controller-uid={child.uid}"
        pods = await self._client.read_all("Pod", namespace, labelSelector=selector)
        events = (
            [] if pods else await self._client.read_all("Event", namespace, fieldSelector=f"regarding.uid={child.uid}")
        )
        return explain_waiting(pods, events)
