"""A reverse proxy before the API server that does what networks and busy API servers do: on purpose, and seeded."""

import asyncio
import base64
import json
import random
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web

from testbed.components import HOST
from testbed.kubeconfig import write_kubeconfig
from trainwright.local.ports import free_ports

WRITES = ("POST", "PUT", "PATCH", "DELETE")
REFUSALS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError"}
SLOW_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 3.0
HOP_BY_HOP = ("Transfer-Encoding", "Content-Length", "Connection", "Host")


@dataclass(frozen=True)
class Faults:
    """Shares of requests, from 0 to 1, that something happens to."""

    conflict: float = 0
    """A write is refused with 409."""
    busy: float = 0
    """A request is refused with 429 and Retry-After: 1."""
    error: float = 0
    """A request is refused with 500."""
    lost: float = 0
    """A request is carried out, and answered with 500."""
    slow: float = 0
    """An answer takes SLOW_SECONDS longer."""
    dropped: float = 0
    """A watch breaks off, in a pause of LONGEST_PAUSE_SECONDS at most."""
    expired: float = 0
    """Likewise a watch ends with the word that its resource version is too old (410)."""


@dataclass
class FaultyProxy:
    """Listens on a port of its own while the block runs, without TLS. Credentials are passed on as they come.

    Args:
        target: a kubeconfig that leads to the API server, with a token.
        faults: what happens, and how often; may be exchanged at any time.
        seed: of the dice.
    """

    target: Path
    faults: Faults = Faults()
    seed: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        config = yaml.safe_load(self.target.read_text())
        (self._entry,) = config["clusters"]
        self._server = self._entry["cluster"]["server"]
        self._dice = random.Random(self.seed)
        (self.port,) = free_ports(1)
        self._config = config
        self._reachable = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def kubeconfig(self, path: Path) -> Path:
        """Writes the target's kubeconfig with this proxy in the API server's place."""
        cluster = {"server": f"http://{HOST}:{self.port}"}
        return write_kubeconfig(path, self._config | {"clusters": [self._entry | {"cluster": cluster}]})

    def cut_off(self) -> None:
        """From now on nothing gets through, in either direction, and no connection is refused."""
        self._loop.call_soon_threadsafe(self._reachable.clear)

    def restore(self) -> None:
        """The network is back; what waited goes on."""
        self._loop.call_soon_threadsafe(self._reachable.set)

    async def _start(self) -> None:
        self._reachable.set()
        authority = self._entry["cluster"]["certificate-authority-data"]
        tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0), auto_decompress=False)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port).start()

    async def _end(self) -> None:
        self._reachable.set()
        await self._runner.cleanup()
        await self._session.close()

    def _befalls(self, share: float, what: str) -> bool:
        hit = self._dice.random() < share
        self.happened[what] += hit
        return hit

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await self._reachable.wait()
        faults, watching = self.faults, "watch" in request.query
        if self._befalls(faults.slow, "slow"):
            await asyncio.sleep(SLOW_SECONDS)
        if request.method in WRITES and self._befalls(faults.conflict, "conflict"):
            return _refusal(409)
        if self._befalls(faults.busy, "busy"):
            return _refusal(429)
        if self._befalls(faults.error, "error"):
            return _refusal(500)
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        url = f"{self._server}{request.rel_url}"
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body or None, timeout=timeout
            ) as answer:
                if watching and answer.status == 200:
                    return await self._pass_on_watch(request, answer)
                text = await answer.read()
        except aiohttp.ClientError:
            return _refusal(500)
        await self._reachable.wait()
        if self._befalls(faults.lost, "lost"):
            return _refusal(500)
        kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
        return web.Response(status=answer.status, body=text, headers=kept)

    async def _pass_on_watch(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        ended = False
        while not ended:
            chunk, ended = await self._next_of_watch(answer.content)
            await self._reachable.wait()
            await response.write(chunk)
        return response

    async def _next_of_watch(self, events: aiohttp.StreamReader) -> tuple[bytes, bool]:
        """What a watch tells next, and whether that was all. In every pause the dice are thrown for its end."""
        while True:
            try:
                async with asyncio.timeout(self._dice.uniform(0, LONGEST_PAUSE_SECONDS)):
                    chunk = await events.readany()
                return chunk, not chunk
            except TimeoutError:
                if self._befalls(self.faults.expired, "expired"):
                    event = {"type": "ERROR", "object": _status(410, "Expired")}
                    return json.dumps(event).encode() + b"\n", True
                if self._befalls(self.faults.dropped, "dropped"):
                    return b"", True


def _refusal(code: int) -> web.Response:
    headers = {"Retry-After": "1"} if code == 429 else {}
    return web.json_response(_status(code, REFUSALS[code]), status=code, headers=headers)


def _status(code: int, reason: str) -> dict[str, Any]:
    words = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return words | {"message": "injected by the test", "reason": reason, "code": code}
