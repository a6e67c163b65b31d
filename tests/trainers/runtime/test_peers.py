"""Waiting for the first pod's name."""

import socket
from pathlib import Path
from typing import Any

import pytest

from trainwright_trainers.runtime import peers
from trainwright_trainers.runtime.stop import StopRequest


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; the third time they are known."""
    names: list[str] = []

    def look_up(host: str, _port: None) -> list[Any]:
        names.append(host)
        if len(names) < 3:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(peers.time, "sleep", lambda _seconds: None)
    return names


def test_the_first_pods_name_is_waited_for(lookups: list[str]) -> None:
    assert peers.resolve("job-train-0.job", StopRequest())
    assert lookups == ["job-train-0.job"] * 3


def test_a_name_that_stays_unknown_is_an_error(lookups: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "RESOLVE_SECONDS", -1.0)
    with pytest.raises(TimeoutError, match=r"'job-train-0\.job' of the first pod is unknown"):
        peers.resolve("job-train-0.job", StopRequest())


def test_a_stop_ends_the_waiting(lookups: list[str], tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    assert not peers.resolve("job-train-0.job", StopRequest(tmp_path / "stop"))
    assert lookups == []
