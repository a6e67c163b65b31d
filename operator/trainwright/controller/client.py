"""The API server, spoken to in plain dicts: the official client connects, its models are left out of the way."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException

from trainwright.api import API_VERSION

Object = dict[str, Any]

MANAGER = "trainwright"
REQUEST_SECONDS = 4.0
"""Longest time that a request may take. With the lease's own times it bounds how long a former leader can act."""

WATCH_SECONDS = 300
"""After so long the API server ends a watch."""

PAGE = 500
"""Objects that are listed at once: a page of these is there in time however many there are."""

_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=WATCH_SECONDS + 30, sock_connect=REQUEST_SECONDS)

_API_VERSIONS = {
    "Job": "batch/v1",
    "Pod": "v1",
    "Event": "events.k8s.io/v1",
    "Lease": "coordination.k8s.io/v1",
    "TrainingJob": API_VERSION,
}


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: the HTTP status code.
        reason: the API server's word for it, such as `AlreadyExists`.
        message: what it says, for people.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message


class Client:
    """A connection to the API server with the credentials of this process.

    Args:
        may_write: asked before every request that changes something; raises when this process must not.
        count: is told of every request: HTTP method, resource, and the status code or what went wrong before one came.
    """

    def __init__(
        self,
        may_write: Callable[[], None] = lambda: None,
        count: Callable[[str, str, str], None] = lambda _method, _resource, _code: None,
    ) -> None:
        self._may_write, self._count = may_write, count
        self._api: ApiClient

    async def __aenter__(self) -> Self:
        configuration = Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        configuration.connection_pool_maxsize = 32
        # Else each request waits twice for another thread, which looks for ~/.netrc and for a proxy in the environment;
        # a kubeconfig's own proxy-url counts all the same.
        configuration.client_session_kwargs = {"trust_env": False}
        self._api = ApiClient(configuration)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()

    async def create(self, body: Object) -> Object:
        """Creates an object; ApiError with status 409 when there is one of that name."""
        self._may_write()
        path = _path(body["kind"], body["metadata"]["namespace"], api_version=body["apiVersion"])
        return await self._request("POST", path, body)

    async def replace(self, body: Object) -> Object:
        """Replaces an object; ApiError with status 409 when it has changed since it was read."""
        self._may_write()
        metadata = body["metadata"]
        return await self._request("PUT", _path(body["kind"], metadata["namespace"], metadata["name"]), body)

    async def apply_status(self, body: Object) -> Object:
        """Writes the status of a TrainingJob by server-side apply; ApiError with status 409 when the object that the
        status was computed from has changed."""
        self._may_write()
        metadata = body["metadata"]
        path = f"{_path('TrainingJob', metadata['namespace'], metadata['name'])}/status"
        query = {"fieldManager": MANAGER, "force": "true"}
        return await self._request("PATCH", path, body, query, "application/apply-patch+yaml")

    async def resize(self, namespace: str, name: str, uid: str, size: int) -> Object | None:
        """Gives this very Job another number of completions, all of which run at once.

        Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#elastic-indexed-jobs

        Returns:
            The Job as it is from now on; none when it is gone.
        """
        self._may_write()
        body = {"metadata": {"uid": uid}, "spec": {"completions": size, "parallelism": size}}
        try:
            return await self._request(
                "PATCH", _path("Job", namespace, name), body, None, "application/merge-patch+json"
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            return None

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> Object | None:
        """Deletes this very object, and before it all that it owns.

        Returns:
            The object as it is while it waits for what it owns to be gone; none when it is gone already.
        """
        self._may_write()
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        try:
            return await self._request("DELETE", _path(kind, namespace, name), options)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            return None

    async def read(self, kind: str, namespace: str, name: str, api_version: str | None = None) -> Object:
        """Reads one object."""
        return await self._request("GET", _path(kind, namespace, name, api_version))

    async def read_all(self, kind: str, namespace: str, **query: str) -> list[Object]:
        """Reads all objects of a kind in a namespace that the query selects."""
        items: list[Object] = (await self._request("GET", _path(kind, namespace), query=query))["items"]
        return items

    def read_all_metadata(self, kind: str, namespace: str | None, **query: str) -> AsyncIterator[Object]:
        """Reads no more than the metadata of all objects of a kind that the query selects, in one namespace or all."""
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        return self._read_pages(kind, namespace, query, accept)

    async def read_everywhere(self, kind: str, namespace: str | None) -> list[Object]:
        """Reads all objects of a kind, in one namespace or all, however many there are."""
        return [item async for item in self._read_pages(kind, namespace, {}, "application/json")]

    async def watch(self, kind: str, namespace: str | None, **query: str) -> AsyncIterator[Object]:
        """Objects that come to be selected by the query from now on, in one namespace or all, until the server ends it.

        Raises:
            ApiError: the server refused, or can't go on.
            OSError, TimeoutError: the connection was lost.
            ValueError: what came is not what a watch sends.
        """
        path = _path(kind, namespace)
        now = (await self._request("GET", path, query=query | {"limit": "1"}))["metadata"]["resourceVersion"]
        query |= {"watch": "true", "resourceVersion": now, "timeoutSeconds": str(WATCH_SECONDS)}
        answer = await self._send("GET", path, query=query, timeout=_WATCH_TIMEOUT)
        with _losses_as_os_errors():
            async with answer as response:
                if response.status >= 400:
                    raise _refusal(response.status, _parse(await response.read()))
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for event in map(json.loads, lines):
                        if event["type"] == "ERROR":
                            raise _refusal(event["object"].get("code", 0), event["object"])
                        if event["type"] == "ADDED":
                            yield event["object"]

    async def _read_pages(
        self, kind: str, namespace: str | None, query: dict[str, str], accept: str
    ) -> AsyncIterator[Object]:
        """The objects one by one; no more than a page of them is in the memory at a time."""
        page = query | {"limit": str(PAGE)}
        while True:
            answer = await self._request("GET", _path(kind, namespace), query=page, accept=accept)
            for item in answer["items"] or []:
                yield item
            if not (rest := answer["metadata"].get("continue")):
                return
            page["continue"] = rest

    async def _request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """The content of the answer.

        Raises:
            ApiError: the server refused.
            OSError, TimeoutError: the connection was lost.
        """
        answer = await self._send(method, path, body, query, content_type, accept)
        with _losses_as_os_errors():
            async with answer as response:
                content = await response.read()
        if response.status >= 400:
            raise _refusal(response.status, _parse(content))
        return _parse(content)

    async def _send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: aiohttp.ClientTimeout = _REQUEST_TIMEOUT,
    ) -> aiohttp.ClientResponse:
        """The answer, of which no more than the head is read."""
        headers = {"Content-Type": content_type, "Accept": accept}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._api.configuration.host}/{path}" + (f"?{urlencode(query)}" if query else "")
        code = "canceled"
        try:
            with _losses_as_os_errors():
                answer = await self._api.rest_client.request(
                    method, url, headers=headers, body=body, _request_timeout=timeout
                )
            code = str(answer.status)
        except (OSError, TimeoutError) as error:
            code = type(error).__name__
            raise
        finally:
            self._count(method, _resource(path), code)
        response: aiohttp.ClientResponse = answer.response
        return response


@contextmanager
def _losses_as_os_errors() -> Iterator[None]:
    """Not all of aiohttp's errors are OSErrors: one that the server closed a connection on isn't, for example."""
    try:
        yield
    except aiohttp.ClientError as error:
        if isinstance(error, OSError):
            raise
        raise ConnectionError(str(error) or type(error).__name__) from error


def _parse(content: bytes) -> Object:
    """The object in an answer. Plain text, as of an API server that is too busy or of what stands before it, is the
    object's message."""
    try:
        answer = json.loads(content or b"{}")
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {"message": content[:200].decode(errors="replace").strip()}


def _refusal(status: int, answer: Object) -> ApiError:
    """What the API server says of a request that it refused.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
    """
    return ApiError(status, answer.get("reason", ""), answer.get("message", ""))


def _resource(path: str) -> str:
    """The plural that a path is about: `jobs` of apis/batch/v1/namespaces/team-a/jobs/digits-train."""
    prefix, *parts = path.split("/")
    parts = parts[2 if prefix == "apis" else 1 :]
    return parts[2] if parts[0] == "namespaces" else parts[0]


def _path(kind: str, namespace: str | None, name: str = "", api_version: str | None = None) -> str:
    api_version = api_version or _API_VERSIONS[kind]
    parts = ["apis" if "/" in api_version else "api", api_version]
    parts += ["namespaces", namespace] if namespace else []
    plural = f"{kind.lower()}s".replace("policys", "policies")
    return "/".join([*parts, plural, *([name] if name else [])])
