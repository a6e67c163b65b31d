"""How first workers ended well, heard as it happens, so that most steps' results need not be asked for.

Only pods that have succeeded are watched: one message a pod, at its end. What is not heard, as before this process
began or while a watch is opened anew, is asked for as ever: nothing depends on this but the number of requests.
"""

import asyncio
import logging
from collections.abc import Sequence

from trainwright.controller.client import ApiError, Client, Object
from trainwright.controller.pods import worker_outcome
from trainwright.manifests.names import JOB_LABEL
from trainwright.planning.observation import WorkerOutcome

REMEMBERED = 1000
"""Endings that nobody has asked for; each may hold a result of 4 KiB. A standby hears all and asks for none."""

PAUSE_SECONDS = 2.0
"""Before a watch that failed is opened anew."""

_SELECTION = {"labelSelector": JOB_LABEL, "fieldSelector": "status.phase=Succeeded"}

log = logging.getLogger(__name__)


class Endings:
    """Listens for workers that end well.

    Args:
        client: watches.
        namespaces: those that are cared for; all when empty.
    """

    def __init__(self, client: Client, namespaces: Sequence[str]) -> None:
        self._client = client
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._heard: dict[str, WorkerOutcome] = {}

    async def run(self) -> None:
        """Listens, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for namespace in self._namespaces:
                tasks.create_task(self._listen(namespace))

    def take(self, uid: str) -> WorkerOutcome | None:
        """How the first worker of a Job ended, if it was heard and not taken yet."""
        return self._heard.pop(uid, None)

    async def _listen(self, namespace: str | None) -> None:
        while True:
            try:
                async for pod in self._client.watch("Pod", namespace, **_SELECTION):
                    self._hear(pod)
            except (ApiError, OSError, TimeoutError, ValueError) as error:
                log.info("the watch of pods ended: %s", error or type(error).__name__)
                await asyncio.sleep(PAUSE_SECONDS)

    def _hear(self, pod: Object) -> None:
        outcome = worker_outcome(pod)
        uid = pod["metadata"].get("labels", {}).get("batch.kubernetes.io/controller-uid")
        if outcome.index == 0 and uid is not None:
            self._heard[uid] = outcome
            if len(self._heard) > REMEMBERED:
                del self._heard[next(iter(self._heard))]
