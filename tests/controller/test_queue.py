"""The work queue, with real time in small pieces."""

import asyncio
import logging
import time
from itertools import pairwise

import pytest

from trainwright.controller.queue import Key, WorkQueue

A, B = ("ns", "a"), ("ns", "b")


async def run(queue: WorkQueue, handle, seconds: float, workers: int = 2) -> None:
    """Works on the queue for so long."""
    tasks = [asyncio.create_task(queue.work(handle)) for _ in range(workers)]
    await asyncio.sleep(seconds)
    await queue.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


def test_a_key_waits_once_however_often_it_is_added() -> None:
    handled: list[Key] = []

    async def handle(key: Key) -> None:
        handled.append(key)

    async def scenario() -> None:
        queue = WorkQueue()
        for key in (A, B, A, A):
            await queue.add(key)
        assert len(queue) == 2
        await run(queue, handle, 0.1)

    asyncio.run(scenario())
    assert sorted(handled) == [A, B]


def test_a_key_is_never_worked_on_twice_at_the_same_time_and_never_lost() -> None:
    busy: set[Key] = set()
    handled: list[Key] = []

    async def scenario() -> None:
        queue = WorkQueue()

        async def handle(key: Key) -> None:
            assert key not in busy
            busy.add(key)
            if len(handled) < 3:
                await queue.add(key)  # while it is being worked on
            await asyncio.sleep(0.01)
            busy.discard(key)
            handled.append(key)

        await queue.add(A)
        await run(queue, handle, 0.3, workers=4)

    asyncio.run(scenario())
    assert handled == [A] * 4


def test_the_sooner_of_two_moments_counts() -> None:
    moments: list[float] = []

    async def handle(key: Key) -> None:
        moments.append(time.monotonic())

    async def scenario() -> None:
        queue = WorkQueue()
        await queue.add(A, 30)
        await queue.add(A, 0.05)
        await queue.add(A, 10)
        await run(queue, handle, 0.3)
        assert len(queue) == 0

    started = time.monotonic()
    asyncio.run(scenario())
    assert len(moments) == 1
    assert moments[0] - started >= 0.05


def test_a_failed_key_is_due_again_later_and_later_and_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[float] = []
    others = 0

    async def scenario() -> None:
        queue = WorkQueue()

        async def handle(key: Key) -> None:
            nonlocal others
            if key == B:
                others += 1
                return
            tried.append(time.monotonic())
            if len(tried) < 3:
                raise OSError("the network is down")

        await queue.add(A)
        await queue.add(B)
        await run(queue, handle, 1.0, workers=1)

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    pauses = [after - before for before, after in pairwise(tried)]
    assert len(tried) == 3
    assert 0.2 <= pauses[0] < pauses[1]
    assert others == 1
    assert [record.job for record in caplog.records] == ["ns/a", "ns/a"]


def test_closing_ends_what_is_under_way_and_begins_nothing() -> None:
    begun: list[Key] = []
    ended: list[Key] = []

    async def handle(key: Key) -> None:
        begun.append(key)
        await asyncio.sleep(0.2)
        ended.append(key)

    async def scenario() -> None:
        queue = WorkQueue()
        await queue.add(A)
        await queue.add(B)
        await run(queue, handle, 0.05, workers=1)

    asyncio.run(scenario())
    assert begun == ended == [A]
