"""Liveness and readiness tell the truth."""

import asyncio
import time

import aiohttp
import pytest

from trainwright.controller import health as module
from trainwright.controller.health import STALL_SECONDS, Health, serve_health
from trainwright.local.ports import free_ports


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_replica_is_ready_once_it_knows_everything(clock: Clock) -> None:
    health = Health()
    assert (health.alive, health.ready) == (True, False)
    health.filled = True
    assert health.ready


def test_a_loop_that_stands_still_is_not_alive_and_not_ready(clock: Clock) -> None:
    health = Health()
    health.filled = True
    clock.now += STALL_SECONDS + 0.1
    assert (health.alive, health.ready) == (False, False)
    health.beat()
    assert (health.alive, health.ready) == (True, True)


def test_both_are_served() -> None:
    async def statuses(port: int) -> list[int]:
        async with aiohttp.ClientSession() as session:
            found = []
            for path in ("livez", "readyz", "nothing"):
                async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
                    found.append(answer.status)
            return found

    async def scenario() -> None:
        health, (port,) = Health(), free_ports(1)
        async with serve_health(health, port):
            assert await statuses(port) == [200, 503, 404]
            health.filled = True
            assert await statuses(port) == [200, 200, 404]
            health._beat = time.monotonic() - STALL_SECONDS - 1
            assert await statuses(port) == [503, 503, 404]

    asyncio.run(scenario())
