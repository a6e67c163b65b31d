"""A small JSON client for the API server, for tests and for setting up: plain dicts in and out."""

import base64
import json
import ssl
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import yaml

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
TIMEOUT_SECONDS = 30
TOO_MANY_REQUESTS = 429
BUSY_SECONDS = 30
"""How long a server is asked again that is too busy, or has just started, and says when to come back."""


class ApiError(RuntimeError):
    """The API server refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        """The HTTP status code."""


class ApiClient:
    """Talks to one API server as one user. Every request has a connection of its own, so a restart disturbs nothing.

    Paths are those of the Kubernetes API, such as `/api/v1/namespaces/default/pods`; keywords become the query.
    Raises ApiError where the server refuses, and OSError where it can't be reached.
    """

    def __init__(self, server: str, context: ssl.SSLContext, headers: Mapping[str, str] | None = None) -> None:
        self.server = server
        self._headers = dict(headers or {})
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "ApiClient":
        """A client for the file's current context; its user has a client certificate or a token."""
        config = yaml.safe_load(path.read_text())
        context = _named(config, "context", config["current-context"])
        cluster = _named(config, "cluster", context["cluster"])
        user = _named(config, "user", context["user"])
        tls = ssl.create_default_context(cadata=_inline(cluster, "certificate-authority"))
        headers = {}
        if certificate := _inline(user, "client-certificate"):
            _load_certificate(tls, certificate, _inline(user, "client-key") or "")
        elif "token" in user:
            headers["Authorization"] = f"Bearer {user['token']}"
        else:
            raise ValueError(f"{path}: user {context['user']} needs a client certificate or a token, has {list(user)}")
        return cls(cluster["server"], tls, headers)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Reads an object or a list."""
        return self._json("GET", path, None, query)

    def post(self, path: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
        """Creates an object."""
        return self._json("POST", path, body, query)

    def patch(self, path: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
        """Merges `body` into an object."""
        return self._json("PATCH", path, body, query, MERGE_PATCH)

    def apply(self, path: str, body: Mapping[str, Any], field_manager: str) -> dict[str, Any]:
        """Server-side apply, taking over fields that another manager owns."""
        return self._json("PATCH", path, body, {"fieldManager": field_manager, "force": "true"}, APPLY_PATCH)

    def delete(self, path: str, **query: str) -> dict[str, Any]:
        """Deletes an object, or with a collection's path all of them."""
        return self._json("DELETE", path, None, query)

    def watch(self, path: str, **query: str) -> Generator[dict[str, Any], None, None]:
        """Events, each with `type` and `object`, until the server ends the watch or the caller closes the iterator.

        Raises TimeoutError where nothing happens for TIMEOUT_SECONDS.
        """
        with self._open("GET", path, None, {**query, "watch": "true"}, None) as response:
            yield from map(json.loads, response)

    def text(self, path: str) -> str:
        """Reads what is not JSON, such as `/readyz` and `/metrics`."""
        return self._send("GET", path, None, {}, None).decode()

    def _json(
        self, method: str, path: str, body: Any, query: Mapping[str, str], content_type: str = "application/json"
    ) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._send(method, path, body, query, content_type))
        return answer

    def _send(self, method: str, path: str, body: Any, query: Mapping[str, str], content_type: str | None) -> bytes:
        with self._open(method, path, body, query, content_type) as response:
            answer: bytes = response.read()
            return answer

    def _open(
        self, method: str, path: str, body: Any, query: Mapping[str, str], content_type: str | None
    ) -> HTTPResponse:
        url = f"{self.server}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {**self._headers, "Content-Type": content_type} if content_type else self._headers
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                response: HTTPResponse = self._opener.open(request, timeout=TIMEOUT_SECONDS)
            except urllib.error.HTTPError as error:
                with error:
                    later = error.headers.get("Retry-After", "")
                    if error.code != TOO_MANY_REQUESTS or not later.isdecimal() or time.monotonic() > end:
                        raise ApiError(error.code, _message(error.read())) from None
                time.sleep(int(later))
            else:
                return response


def _message(body: bytes) -> str:
    """The message in the Status object that comes with a refusal, else the body as it is."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")


def _named(config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry[kind] for entry in config[f"{kind}s"] if entry["name"] == name)
    return found


def _inline(entry: dict[str, Any], key: str) -> str | None:
    """A PEM text that a kubeconfig holds as data or names as a file."""
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(data).decode()
    return Path(entry[key]).read_text() if key in entry else None


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """The ssl module reads a client certificate from a file only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate}\n{key}")
        file.flush()
        context.load_cert_chain(file.name)
