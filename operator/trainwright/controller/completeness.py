"""Makes sure that the store knows what the API server knows: before anything is decided, and from time to time.

A watch may lag behind what another replica wrote a moment ago. One that expires is opened anew by kopf, but what was
deleted in between is never heard of again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from trainwright.controller.client import ApiError, Client
from trainwright.controller.queue import Key, WorkQueue
from trainwright.controller.store import CHILD_SELECTOR, Store, job_key, version

CHECK_SECONDS = 300.0
FILL_SECONDS = 0.5

_SELECTORS = {"TrainingJob": {}, "Job": {"labelSelector": CHILD_SELECTOR}}

log = logging.getLogger(__name__)


class Completeness:
    """Compares the store with lists of the API server's metadata.

    Args:
        namespaces: those that are cared for; all when empty.
    """

    def __init__(self, client: Client, store: Store, queue: WorkQueue, namespaces: Sequence[str]) -> None:
        self._client, self._store, self._queue = client, store, queue
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._caught_up_in = 0
        self._catching_up = asyncio.Lock()

    async def wait_until_filled(self, on_round: Callable[[], None] = lambda: None) -> None:
        """Returns once all that is on the API server now has come in by the watches, in this version or a newer one.

        Args:
            on_round: called each time before it is looked.
        """
        awaited: dict[str, int] | None = None
        while True:
            on_round()
            left = None if awaited is None else self._not_known(awaited)
            # A list of ten thousand jobs costs seconds: another is made only when nothing more comes in, since what was
            # deleted meanwhile never will.
            if left is None or left == awaited:
                try:
                    listed = await self._listed()
                except (ApiError, OSError, TimeoutError) as error:
                    log.warning("what is there could not be listed: %s", error or type(error).__name__)
                else:
                    left = listed if left is None else {uid: left[uid] for uid in left.keys() & listed.keys()}
                    left = self._not_known(left)
            if left is not None and not left:
                return
            if left is not None:
                log.info("reading what is there: %d objects to go", len(left))
            awaited = left
            await asyncio.sleep(FILL_SECONDS)

    async def catch_up(self, term: int) -> None:
        """Returns at once but for the first time in a leader's term: then nothing that the leader before has written
        may be missing."""
        async with self._catching_up:
            if self._caught_up_in != term:
                await self.wait_until_filled()
                self._caught_up_in = term

    async def keep(self) -> None:
        """From time to time, forgets what is gone and was never said to be, for ever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                for key in await self.forget_ghosts():
                    await self._queue.add(key)
            except (ApiError, OSError, TimeoutError) as error:
                log.warning("the store could not be compared: %s", error or type(error).__name__)

    async def forget_ghosts(self) -> set[Key]:
        """Forgets what is no longer on the API server; returns the jobs that it belonged to."""
        before = list(self._store.objects())
        listed = await self._listed()
        ghosts = [body for body in before if body["metadata"]["uid"] not in listed]
        for ghost in ghosts:
            self._store.remove(ghost)
        return {job_key(ghost) for ghost in ghosts}

    async def _listed(self) -> dict[str, int]:
        """The version of every object on the API server, by uid."""
        return {
            item["metadata"]["uid"]: version(item)
            for namespace in self._namespaces
            for kind, selector in _SELECTORS.items()
            async for item in self._client.read_all_metadata(kind, namespace, **selector)
        }

    def _not_known(self, versions: dict[str, int]) -> dict[str, int]:
        """Those that the store has not, or only an older version of."""
        known = {body["metadata"]["uid"]: version(body) for body in self._store.objects()}
        return {uid: number for uid, number in versions.items() if known.get(uid, -1) < number}
