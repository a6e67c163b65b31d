"""Reads how far the running steps are, from the endpoint that rank 0 of each serves to Prometheus."""

import asyncio
import contextlib

import aiohttp

from trainwright.api.status import Progress
from trainwright.controller.leadership import Leadership
from trainwright.controller.queue import Key, WorkQueue
from trainwright.controller.store import Store
from trainwright.controller.tidings import PROGRESS_SECONDS
from trainwright.manifests.names import STEP_LABEL
from trainwright.manifests.site import METRICS_PORT
from trainwright.metrics.progress import read_progress

AT_ONCE = 32
LONGEST_PAGE = 1 << 20
_TIMEOUT = aiohttp.ClientTimeout(total=3)


class ProgressReader:
    """Asks the running steps, all of them in turn, and passes on what has changed.

    Args:
        progress: where the answers are kept, by job.
    """

    def __init__(self, store: Store, queue: WorkQueue, leadership: Leadership, progress: dict[Key, Progress]) -> None:
        self._store, self._queue, self._leadership, self._progress = store, queue, leadership, progress
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Reads, for ever."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                await asyncio.sleep(PROGRESS_SECONDS)
                if self._leadership.leading:
                    await asyncio.gather(*(self._read(session, key, host) for key, host in self._running()))

    def _running(self) -> list[tuple[Key, str]]:
        """The jobs whose workers run, with the name of the host that rank 0 is on."""
        running: list[tuple[Key, str]] = []
        for key in self._store.job_keys():
            body = self._store.job(key)
            if body is None or body.get("status", {}).get("phase") != "Running":
                continue
            running += (
                (key, f"{child['metadata']['name']}-0.{key[1]}.{key[0]}.svc")
                for child in self._store.children(key)
                if child["metadata"]["labels"].get(STEP_LABEL) == body["status"].get("currentStep")
            )
        return running

    async def _read(self, session: aiohttp.ClientSession, key: Key, host: str) -> None:
        """A step that doesn't answer keeps the progress it had: the user's own programs need not serve any."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with self._slots, session.get(f"http://{host}:{METRICS_PORT}/metrics", allow_redirects=False) as page:
                progress = read_progress(await _text(page))
            if progress != self._progress.get(key):
                self._progress[key] = progress
                await self._queue.add(key)


async def _text(page: aiohttp.ClientResponse) -> str:
    """The page's text; ValueError for one that no trainer of ours would serve."""
    text = bytearray()
    async for chunk in page.content.iter_any():
        text += chunk
        if len(text) > LONGEST_PAGE:
            raise ValueError(f"more than {LONGEST_PAGE} bytes")
    return text.decode()
