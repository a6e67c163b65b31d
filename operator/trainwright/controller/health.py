"""Liveness and readiness that tell the truth, over HTTP."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from trainwright.controller.serving import Handler, serve

STALL_SECONDS = 30.0
"""How long the leader election's loop may stand still before the process counts as hung."""


class Health:
    """What this replica knows of itself."""

    def __init__(self) -> None:
        """A replica that lives and is not ready."""
        self.filled = False
        self._beat = time.monotonic()

    def beat(self) -> None:
        """Says that the leader election's loop goes round."""
        self._beat = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the process is worth keeping."""
        return time.monotonic() - self._beat < STALL_SECONDS

    @property
    def ready(self) -> bool:
        """Whether the replica could lead at once: it lives and knows every job."""
        return self.filled and self.alive


def serve_health(health: Health, port: int) -> AbstractAsyncContextManager[None]:
    """Serves /livez and /readyz while the block runs."""
    return serve({"/livez": _answer(lambda: health.alive), "/readyz": _answer(lambda: health.ready)}, port)


def _answer(holds: Callable[[], bool]) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="ok") if holds() else web.Response(text="no", status=503)

    return handler
