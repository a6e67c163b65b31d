"""The benchmark's own client: few connections, plain dicts, the same for the floor and for the operator's jobs."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

Object = dict[str, Any]

CONNECTIONS = 16
"""Requests at the same time: as many as the operator has passes."""

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Client:
    """Creates, counts and watches; a refusal is an error that ends the benchmark.

    Args:
        kubeconfig: who it is.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = str(kubeconfig)
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        configuration = Configuration()
        await config.load_kube_config(self._kubeconfig, client_configuration=configuration)
        tls = ApiClient(configuration).rest_client.ssl_context
        self._session = aiohttp.ClientSession(
            base_url=configuration.host,
            # The watches have connections of their own beside these.
            connector=aiohttp.TCPConnector(limit=CONNECTIONS + 2, ssl=tls),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def create(self, collection: str, body: Object) -> Object:
        """Creates an object."""
        return await self._send("POST", collection, body)

    async def write_status(self, path: str, status: Object) -> None:
        """Replaces an object's status."""
        await self._send("PATCH", f"{path}/status", {"status": status}, "application/merge-patch+json")

    async def count(self, collection: str) -> int:
        """How many objects there are; cheap for the server, which sends one of them."""
        page = await self._send("GET", f"{collection}?limit=1")
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))

    async def version(self, collection: str) -> str:
        """The collection's version now, to watch from."""
        version: str = (await self._send("GET", f"{collection}?limit=1"))["metadata"]["resourceVersion"]
        return version

    @contextlib.asynccontextmanager
    async def watch(
        self, collection: str, since: str = "0", *, metadata_only: bool = False
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """Every object that comes and every change since a version, and all that is there where none is given."""
        headers = {"Accept": _METADATA if metadata_only else "application/json"}
        url = f"{collection}?watch=true&resourceVersion={since}"
        async with self._session.get(url, headers=headers) as response:
            response.raise_for_status()
            yield _objects(response.content)

    async def _send(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> Object:
        headers = {"Content-Type": content_type}
        async with self._session.request(method, path, json=body, headers=headers) as response:
            answer: Object = await response.json()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {answer.get('message')}")
        return answer


async def _objects(stream: aiohttp.StreamReader) -> AsyncIterator[Object]:
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)["object"]
