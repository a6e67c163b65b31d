"""What requests are counted as, and what comes of an answer that isn't one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from trainwright.controller.client import ApiError, Client, _path, _resource
from trainwright.controller.watching import Lists


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        (_path("Job", "team-a", "digits-train"), "jobs"),
        (_path("Pod", "team-a"), "pods"),
        (_path("TrainingJob", None), "trainingjobs"),
        (f"{_path('TrainingJob', 'team-a', 'digits')}/status", "trainingjobs"),
        (_path("PodGroup", "team-a", api_version="scheduling.volcano.sh/v1beta1"), "podgroups"),
        (_path("Service", "team-a", api_version="v1"), "services"),
    ],
)
def test_a_request_is_counted_by_what_it_is_about(path: str, resource: str) -> None:
    assert _resource(path) == resource


def test_a_list_that_begins_anew_is_noticed() -> None:
    told: list[str] = []
    lists = Lists(told.append)

    def body(uid: str, namespace: str = "a", kind: str = "TrainingJob") -> dict:
        return {"kind": kind, "metadata": {"uid": uid, "namespace": namespace}}

    for uid in ("1", "2", "3"):
        lists.see(body(uid))
    lists.see(body("1", "b"))
    lists.see(body("1", kind="Job"))
    assert told == []
    for uid in ("1", "2", "4"):
        lists.see(body(uid))
    assert told == ["trainingjobs"]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], list[str]]:
    """Asks for a lease a server that answers with these bytes and hangs up; gives what the requests are counted as."""

    def begin(answer: bytes) -> list[str]:
        counted: list[str] = []

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        async def request() -> None:
            async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                kubeconfig = {
                    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                    "users": [{"name": "u", "user": {}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "x",
                }
                (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
                location = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
                monkeypatch.setattr(location, str(tmp_path / "kubeconfig"))
                async with Client(count=lambda *request: counted.append(" ".join(request))) as client:
                    await client.read("Lease", "team-a", "leader")

        asyncio.run(request())
        return counted

    return begin


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", id="half of one"),
        pytest.param(b"kube\r\n\r\n", id="none that is HTTP"),
    ],
)
def test_a_server_that_hangs_up_is_a_lost_connection(answer: bytes, ask: Callable[[bytes], list[str]]) -> None:
    """An API server that restarts does so, and whoever asked must only ask again."""
    with pytest.raises(OSError, match=r"."):
        ask(answer)


def test_a_refusal_in_plain_text_is_told_as_one(ask: Callable[[bytes], list[str]]) -> None:
    text = b"Too many requests, please try again later.\n"
    with pytest.raises(ApiError) as refused:
        ask(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
    assert str(refused.value) == "429 : Too many requests, please try again later."
