"""Kubernetes events: what happened to a job and why, for people who follow it.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from trainwright.api import API_VERSION, KIND
from trainwright.controller.client import MANAGER, ApiError, Client, Object
from trainwright.controller.leadership import NotLeaderError
from trainwright.controller.pace import Pace
from trainwright.planning.actions import Event

LONGEST_NOTE = 1024
"""Bytes that the API server takes."""

EVENTS_A_SECOND = 10.0
"""Of all jobs together, when many have something to tell at once; one that comes alone is sent at once."""

MOST_WAITING = 10_000

FLUSH_SECONDS = 2.0
"""Time for what waits when the process is to end."""

log = logging.getLogger(__name__)


class Outbox:
    """Events on their way. A pass never waits for one, and a crowd of jobs is started before it is told of.

    As for every Kubernetes controller they are best effort: what the status says is never lost, an event may be, when
    the process is killed or more of them wait than are kept.

    Args:
        client: sends.
        instance: this replica's name.
    """

    def __init__(self, client: Client, instance: str) -> None:
        self._client, self._instance = client, instance
        self._waiting: deque[Object] = deque()
        self._news = asyncio.Event()
        self._pace = Pace(EVENTS_A_SECOND)

    def post(self, job: Object, events: Sequence[Event]) -> None:
        """Takes on events about a TrainingJob, which happened now."""
        for event in events:
            if len(self._waiting) == MOST_WAITING:
                log.warning("event %s was dropped: %d others wait", event.reason, MOST_WAITING)
                return
            self._waiting.append(_event(job["metadata"], event, self._instance))
            self._news.set()

    async def run(self) -> None:
        """Sends them in order, for ever."""
        while True:
            await self._news.wait()
            while self._waiting:
                await asyncio.sleep(self._pace.reserve() - time.monotonic())
                await self._send_first()
            self._news.clear()

    async def flush(self) -> None:
        """Sends what waits, without a pause; not more than a stopping process has time for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                while self._waiting:
                    await self._send_first()

    async def _send_first(self) -> None:
        """Sends one. One that was sent already is not sent again; one that is refused is logged."""
        event = self._waiting[0]
        try:
            await self._client.create(event)
        except (ApiError, OSError, TimeoutError, NotLeaderError) as error:
            if not (isinstance(error, ApiError) and error.status == 409):
                log.warning("event %s was not sent: %s", event["reason"], error or type(error).__name__)
        self._waiting.popleft()


def _event(metadata: Object, event: Event, instance: str) -> Object:
    # A pass that is repeated tells the same again: the name makes it the same event. What a change of the object leads
    # to, such as being suspended once more, is told anew.
    words = f"{metadata['uid']} {metadata['generation']} {event.reason} {event.message}"
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{digest}", "namespace": metadata["namespace"]},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.kind,
        "reason": event.reason,
        "action": event.reason,
        "note": event.message.encode()[:LONGEST_NOTE].decode(errors="ignore"),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reportingController": f"{MANAGER}.dev/operator",
        "reportingInstance": instance,
    }
