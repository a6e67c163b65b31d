"""One pass over one job: observe, plan, carry out."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from trainwright.api import API_VERSION, KIND
from trainwright.api.job import TrainingJob
from trainwright.api.problems import InvalidJobError
from trainwright.api.status import Progress, TrainingJobStatus
from trainwright.api.validation import load_job
from trainwright.controller.client import ApiError, Client
from trainwright.controller.events import Outbox
from trainwright.controller.questions import Questions
from trainwright.controller.queue import Key
from trainwright.controller.store import Store, is_child, owner_uid
from trainwright.controller.tidings import Tidings
from trainwright.manifests.site import Site
from trainwright.planning.actions import Plan
from trainwright.planning.observation import ChildJob, Observation, WorkerOutcome, read_child
from trainwright.planning.plan import MANAGER, plan
from trainwright.planning.rejection import reject

Object = dict[str, Any]

NAME_TAKEN_SECONDS = 2.0
"""How soon it is tried again when a child's name is still in use by an earlier job of the same name."""


LEFTOVERS_SECONDS = 2.0
"""How soon it is looked again whether pods whose Job is gone have ended."""

REFUSALS = frozenset({400, 403, 404, 422})
"""What the API server answers where the same request would be refused again: by a quota, a policy or a webhook, or
because it doesn't know the kind."""


class Reconciler:
    """Passes over jobs. Two passes over the same job never run at the same time: the queue sees to that.

    Args:
        client: writes what is decided.
        store: what is known; takes in the answers to our own writes, so that the next pass never decides on less.
        site: where child objects are made for.
        add: adds a job to the queue again, after some seconds.
        questions: asks what only pods can answer.
        outbox: takes events.
        on_change: is told of every status that was written: the job as it was, its status before and after.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        site: Site,
        add: Callable[[Key, float], Awaitable[None]],
        questions: Questions,
        outbox: Outbox,
        on_change: Callable[[Object, TrainingJobStatus, TrainingJobStatus], None],
    ) -> None:
        self._client, self._store, self._site, self._add = client, store, site, add
        self._questions, self._outbox, self._on_change = questions, outbox, on_change
        self._parsed: dict[Key, TrainingJob] = {}
        self._tidings = Tidings()
        self.progress: dict[Key, Progress] = {}

    async def reconcile(self, key: Key) -> None:
        """One pass."""
        body = self._store.job(key)
        if body is None:
            self._forget(key)
            return
        children = tuple(read_child(child) for child in self._store.children(key))
        if _at_rest(body, children):
            return
        decided = await self._decide(key, body, children)
        if decided.apply and self._store.may_have_leftovers(key):
            decided = await self._wait_for_leftovers(key, body, children, decided) or decided
        try:
            for child in decided.apply:
                await self._put_in_place(child)
        except RefusedError as refusal:
            decided = await self._decide(key, body, children, str(refusal))
            if refusal.passing:
                await self._add(key, NAME_TAKEN_SECONDS)
        await self._carry_out(key, body, decided)

    async def _wait_for_leftovers(
        self, key: Key, body: Object, children: tuple[ChildJob, ...], decided: Plan
    ) -> Plan | None:
        """The plan while there are live pods whose Job is gone; none when there are no such pods.

        A Job of ours that somebody has taken the labels from is not known any more: it is deleted, to be made anew.
        """
        for wanted in decided.apply:
            if wanted["kind"] == "Job" and (found := await self._questions.lost_child(wanted)):
                await self._client.delete("Job", key[0], found["metadata"]["name"], found["metadata"]["uid"])
        leftovers = await self._questions.leftover_groups(self._parse(key, body), children)
        if not leftovers:
            self._store.clear(key)
            return None
        await self._add(key, LEFTOVERS_SECONDS)
        return await self._decide(key, body, children + leftovers)

    async def _decide(self, key: Key, body: Object, children: tuple[ChildJob, ...], refused: str = "") -> Plan:
        now = datetime.now(UTC)
        try:
            job = self._parse(key, body)
        except InvalidJobError as error:
            status = TrainingJobStatus.model_validate(body.get("status", {}))
            own = tuple(child for child in children if child.owner == body["metadata"]["uid"])
            return reject(status, body["metadata"]["generation"], error.problems, now, own)
        outcomes: dict[str, tuple[WorkerOutcome, ...]] = {}
        waiting, again = await self._questions.why_waiting(job, children)
        if again is not None:
            await self._add(key, again)
        while True:
            seen = Observation(
                job=job,
                children=children,
                outcomes=outcomes,
                progress=self.progress.get(key),
                waiting=waiting,
                refused=refused,
                deleting="deletionTimestamp" in body["metadata"],
            )
            decided = plan(seen, now, self._site)
            if not decided.ask:
                return decided
            outcomes |= {child.uid: await self._questions.outcomes(job, child) for child in decided.ask}

    async def _carry_out(self, key: Key, body: Object, decided: Plan) -> None:
        await self._write_status(key, body, decided)
        for change in decided.resize:
            resized = await self._client.resize(key[0], change.child.name, change.child.uid, change.size)
            if resized:
                self._store.put(resized)
        for doomed in decided.delete:
            deleted = await self._client.delete("Job", key[0], doomed.name, doomed.uid)
            if deleted:
                self._store.put(deleted)
        self._outbox.post(body, decided.events)
        if decided.delete_job:
            await self._client.delete("TrainingJob", *key, body["metadata"]["uid"])
        if decided.look_again is not None:
            await self._add(key, (decided.look_again - datetime.now(UTC)).total_seconds())

    async def _put_in_place(self, body: Object) -> None:
        """Creates a child object, unless it is there. One that belongs to somebody else is never touched.

        Raises:
            RefusedError: the API server will not have it, or there is one that belongs to somebody else.
        """
        kind, metadata = body["kind"], body["metadata"]
        try:
            created = await self._client.create(body)
        except ApiError as error:
            if error.status in REFUSALS:
                raise RefusedError(f"{kind} {metadata['name']}: {error.message}") from error
            if error.reason != "AlreadyExists":
                raise
            created = await self._client.read(kind, metadata["namespace"], metadata["name"], body["apiVersion"])
            if owner_uid(created) != owner_uid(body):
                words = f"there is a {kind} {metadata['name']} that is not this job's; it must go first"
                raise RefusedError(words, passing=_of_earlier_job(created, body)) from error
        if kind == "Job" and not is_child(created):
            raise RefusedError(f"Job {metadata['name']} has lost its labels; it is made anew", passing=True)
        if kind == "Job":
            self._store.put(created)

    async def _write_status(self, key: Key, body: Object, decided: Plan) -> None:
        """Writes the status if it has changed; what can wait is written with what comes next."""
        before, after = body.get("status", {}), decided.status.to_dict()
        told = TrainingJobStatus.model_validate(before)
        if decided.status == told:
            return
        if not (decided.resize or decided.delete) and (delay := self._tidings.delay(key, before, after)):
            await self._add(key, delay)
            return
        metadata = body["metadata"]
        written = await self._client.apply_status(
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "metadata": {name: metadata[name] for name in ("name", "namespace", "resourceVersion")},
                "status": after,
            }
        )
        self._tidings.told(key)
        self._on_change(body, told, decided.status)
        self._store.put(written)

    def _parse(self, key: Key, body: Object) -> TrainingJob:
        """The typed object; the spec is validated anew only when it has changed."""
        known, metadata = self._parsed.get(key), body["metadata"]
        if known is None or (known.metadata.uid, known.metadata.generation) != (
            metadata["uid"],
            metadata["generation"],
        ):
            known = self._parsed[key] = load_job(body)
        return known.with_status(body.get("status", {}))

    def _forget(self, key: Key) -> None:
        for memory in (self._parsed, self.progress):
            memory.pop(key, None)
        self._questions.forget(key)
        self._tidings.forget(key)


class RefusedError(RuntimeError):
    """A child object can't be put in place; the message says why.

    Attributes:
        passing: whether it is sure to be possible soon.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


def _of_earlier_job(found: Object, wanted: Object) -> bool:
    """Whether what was found goes away by itself, with an earlier TrainingJob of the same name."""
    (owner,) = wanted["metadata"]["ownerReferences"]
    others = found["metadata"].get("ownerReferences", ())
    return any((other["kind"], other["name"]) == (owner["kind"], owner["name"]) for other in others)


def _at_rest(body: Object, children: tuple[ChildJob, ...]) -> bool:
    """Whether nothing can be left to do: the job is another controller's, or has ended, holds nothing and is kept."""
    if body["spec"].get("managedBy") not in (None, MANAGER):
        return True
    finished = body.get("status", {}).get("phase") in ("Complete", "Failed")
    policy = body["spec"].get("runPolicy", {})
    kept = "ttlSecondsAfterFinished" not in policy
    return finished and kept and policy.get("cleanPodPolicy") != "All" and not any(child.live for child in children)
