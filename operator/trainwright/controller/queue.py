"""A keyed work queue: a key waits once however often it is added, and is never worked on twice at the same time."""

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable

Key = tuple[str, str]
"""Namespace and name of a TrainingJob."""

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.2, 60.0

log = logging.getLogger(__name__)


class WorkQueue:
    """Keys and when they are due; a failed key is due again later and later."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Condition()
        self._closed = False

    def __len__(self) -> int:
        """Keys that are due now or later."""
        return len(self._due)

    def due(self) -> int:
        """Keys that are due now."""
        now = time.monotonic()
        return sum(moment <= now for moment in list(self._due.values()))

    async def add(self, key: Key, delay: float = 0.0) -> None:
        """Makes the key due after `delay` seconds, or sooner where it is already."""
        moment = time.monotonic() + max(delay, 0.0)
        if moment < self._due.get(key, float("inf")):
            self._due[key] = moment
            heapq.heappush(self._heap, (moment, key))
            async with self._changed:
                self._changed.notify()

    def forget(self, key: Key) -> None:
        """The key is of nobody's interest any more."""
        self._due.pop(key, None)
        self._failures.pop(key, None)

    async def close(self) -> None:
        """Begins no further work; what is under way ends."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    async def work(self, handle: Callable[[Key], Awaitable[None]]) -> None:
        """Handles keys as they become due, until the queue is closed; run as many of these as there are workers."""
        while (key := await self._next()) is not None:
            try:
                await handle(key)
                self._failures.pop(key, None)
            except Exception as error:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                delay = min(FIRST_RETRY_SECONDS * 2 ** (failures - 1), LONGEST_RETRY_SECONDS)
                log.warning(
                    "pass failed, again in %.1f s: %s",
                    delay,
                    error or type(error).__name__,
                    extra={"job": "/".join(key)},
                )
                await self.add(key, delay)
            finally:
                self._busy.discard(key)
                async with self._changed:
                    self._changed.notify()

    async def _next(self) -> Key | None:
        while not self._closed:
            key, wait = self._pop()
            if key is not None:
                return key
            async with self._changed:
                try:
                    await asyncio.wait_for(self._changed.wait(), wait)
                except TimeoutError:
                    continue
        return None

    def _pop(self) -> tuple[Key | None, float | None]:
        """The next key that is due and not being worked on, else how long there is none."""
        now, skipped = time.monotonic(), []
        found, wait = None, None
        while self._heap:
            moment, key = self._heap[0]
            if self._due.get(key) != moment:
                heapq.heappop(self._heap)  # added sooner since, or forgotten
            elif moment > now:
                wait = moment - now
                break
            else:
                skipped.append(heapq.heappop(self._heap))
                if key not in self._busy:
                    found = key
                    break
        if found is not None:
            skipped.pop()
            del self._due[found]
            self._busy.add(found)
        for item in skipped:
            heapq.heappush(self._heap, item)
        return found, wait
