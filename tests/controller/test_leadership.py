"""Leader election: decisions on a lease that is kept in memory, by a clock that the test moves."""

import asyncio
import copy
from typing import Any

import pytest

from trainwright.controller import leadership as module
from trainwright.controller.client import ApiError
from trainwright.controller.leadership import LEASE_SECONDS, RENEW_SECONDS, Leadership, NotLeaderError


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Leases:
    """The API server, as far as one Lease goes."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.down = False
        self.version = 0

    async def read(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        if self.down:
            raise OSError("no answer")
        if self.lease is None:
            raise ApiError(404, "NotFound", "")
        return copy.deepcopy(self.lease)

    async def create(self, body: dict[str, Any]) -> None:
        if self.lease is not None:
            raise ApiError(409, "AlreadyExists", "")
        self._keep(body)

    async def replace(self, body: dict[str, Any]) -> None:
        assert self.lease is not None
        if body["metadata"].get("resourceVersion") != self.lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "")
        self._keep(body)

    def _keep(self, body: dict[str, Any]) -> None:
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def leases() -> Leases:
    return Leases()


class Replica:
    """One round of the election at a time."""

    def __init__(self, name: str, leases: Leases) -> None:
        self.leadership = Leadership("ns", "lease", name)
        self.leases = leases
        self.starts = 0

    def round(self) -> bool:
        async def started() -> None:
            self.starts += 1

        async def one_round() -> None:
            run = asyncio.create_task(self.leadership.run(self.leases, started, lambda: None))  # type: ignore[arg-type]
            await asyncio.sleep(0.01)
            run.cancel()

        asyncio.run(one_round())
        return self.leadership.leading


def test_the_first_one_leads_and_the_second_one_waits(clock: Clock, leases: Leases) -> None:
    first, second = Replica("first", leases), Replica("second", leases)
    assert (first.round(), second.round()) == (True, False)
    for _ in range(20):
        clock.now += 2
        assert (first.round(), second.round()) == (True, False)
    assert first.starts == first.leadership.term == 1
    with pytest.raises(NotLeaderError):
        second.leadership.require()


def test_a_leader_that_is_cut_off_stops_before_another_may_begin(clock: Clock, leases: Leases) -> None:
    first, second = Replica("first", leases), Replica("second", leases)
    first.round()
    second.round()
    clock.now += RENEW_SECONDS
    assert not first.leadership.leading
    assert not second.round()  # the lease's time is not over, as far as the second one knows
    clock.now += LEASE_SECONDS - RENEW_SECONDS + 0.1
    assert second.round()
    assert not first.round()
    lease = leases.lease
    assert lease is not None
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("second", 2)


def test_a_network_that_is_down_is_no_reason_to_stop_at_once(clock: Clock, leases: Leases) -> None:
    first = Replica("first", leases)
    first.round()
    leases.down = True
    clock.now += 5
    assert first.round()
    clock.now += 5
    assert not first.round()
    leases.down = False
    assert first.round()
    assert first.leadership.term == 2  # somebody else may have acted in between


def test_the_wall_clock_of_the_holder_does_not_matter(clock: Clock, leases: Leases) -> None:
    first, second = Replica("first", leases), Replica("second", leases)
    first.round()
    assert leases.lease is not None
    leases.lease["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
    assert not second.round()
    clock.now += LEASE_SECONDS + 0.1
    assert second.round()


def test_a_lease_that_was_given_back_is_free_at_once(clock: Clock, leases: Leases) -> None:
    first, second = Replica("first", leases), Replica("second", leases)
    first.round()
    asyncio.run(first.leadership.release(leases))  # type: ignore[arg-type]
    assert not first.leadership.leading
    assert second.round()


def test_a_lease_that_another_has_taken_is_not_given_back(clock: Clock, leases: Leases) -> None:
    first, second = Replica("first", leases), Replica("second", leases)
    first.round()
    second.round()
    first.leadership._until = clock.now + 100  # as if it had not noticed
    clock.now += LEASE_SECONDS + 0.1
    second.round()
    asyncio.run(first.leadership.release(leases))  # type: ignore[arg-type]
    assert leases.lease is not None
    assert leases.lease["spec"]["holderIdentity"] == "second"


def test_the_same_name_leads_again_at_once(clock: Clock, leases: Leases) -> None:
    Replica("first", leases).round()
    assert Replica("first", leases).round()
