"""How events get on their way."""

import asyncio
import time
from typing import Any

import pytest

from trainwright.controller import events
from trainwright.controller.client import ApiError
from trainwright.controller.events import EVENTS_A_SECOND, Outbox
from trainwright.planning.actions import Event

JOB = {"metadata": {"name": "digits", "namespace": "team-a", "uid": "1", "generation": 1}}


class Cluster:
    """Stands for the API server: notes what comes and when, and refuses what it is told to."""

    def __init__(self, *refused: str) -> None:
        self._refused = refused
        self.notes: list[str] = []
        self.times: list[float] = []

    async def create(self, body: dict[str, Any]) -> None:
        self.notes.append(body["note"])
        self.times.append(time.monotonic())
        if body["note"] in self._refused:
            raise ApiError(403, "Forbidden", "a quota")


def tell(*words: str) -> list[Event]:
    return [Event("Normal", "StepStarted", word) for word in words]


async def drain(outbox: Outbox, cluster: Cluster, count: int) -> None:
    """Runs the outbox until so many have come."""
    sending = asyncio.create_task(outbox.run())
    async with asyncio.timeout(60):
        while len(cluster.notes) < count:
            await asyncio.sleep(0.01)
    sending.cancel()


def test_events_come_in_order_and_apart_and_one_that_is_refused_holds_nobody_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Cluster("second")
    outbox = Outbox(cluster, "me")  # type: ignore[arg-type]
    outbox.post(JOB, tell("first", "second", "third"))
    asyncio.run(drain(outbox, cluster, 3))
    assert cluster.notes == ["first", "second", "third"]
    assert cluster.times[-1] - cluster.times[0] >= 1.9 / EVENTS_A_SECOND
    assert "StepStarted was not sent: 403" in caplog.text


def test_a_process_that_ends_sends_what_waits_without_a_pause() -> None:
    cluster = Cluster()
    outbox = Outbox(cluster, "me")  # type: ignore[arg-type]
    outbox.post(JOB, tell(*map(str, range(100))))
    asyncio.run(outbox.flush())
    assert len(cluster.notes) == 100


def test_more_than_can_be_kept_is_dropped_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "MOST_WAITING", 2)
    cluster = Cluster()
    outbox = Outbox(cluster, "me")  # type: ignore[arg-type]
    outbox.post(JOB, tell("a", "b", "c"))
    asyncio.run(outbox.flush())
    assert cluster.notes == ["a", "b"]
    assert "2 others wait" in caplog.text
