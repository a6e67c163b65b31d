"""Who takes part in a round of an elastic group: decided over a real store, with the workers as threads."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from torch.distributed.elastic.rendezvous.api import RendezvousClosedError, RendezvousInfo

from trainwright.local.ports import free_ports
from trainwright_trainers.pytorch import rendezvous
from trainwright_trainers.pytorch.rendezvous import ElasticRendezvous

SECONDS = 60


class Group:
    """The workers of one group."""

    def __init__(self, *, fewest: int = 1, expected: int = 2, last_call: float = 600) -> None:
        (self._port,) = free_ports(1)
        self._options = {"fewest": fewest, "expected": expected, "last_call": last_call}
        self.workers: dict[int, ElasticRendezvous] = {}

    def join(self, index: int) -> "Future[RendezvousInfo]":
        """The worker waits for its place in the next round; it is a new one, unless it is there already."""
        worker = self.workers.setdefault(index, ElasticRendezvous(index, "127.0.0.1", self._port, **self._options))
        future: Future[RendezvousInfo] = Future()

        def wait() -> None:
            try:
                future.set_result(worker.next_rendezvous())
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=wait, daemon=True).start()
        return future

    def round(self, *indices: int) -> dict[int, tuple[int, int]]:
        """Rank and size by index, once these workers have joined and have their places."""
        return places({index: self.join(index) for index in indices})

    def end_round(self) -> None:
        for worker in self.workers.values():
            worker.shutdown()


def places(joined: "dict[int, Future[RendezvousInfo]]") -> dict[int, tuple[int, int]]:
    infos = {index: future.result(SECONDS) for index, future in joined.items()}
    assert len({(info.bootstrap_store_info.master_port) for info in infos.values() if info.bootstrap_store_info}) == 1
    return {index: (info.rank, info.world_size) for index, info in infos.items()}


@pytest.fixture(autouse=True)
def gather_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rendezvous, "GATHER_SECONDS", 0.0)
    return


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_first_round_begins_when_those_expected_are_there_and_ranks_follow_the_indices() -> None:
    assert Group(expected=3).round(2, 0, 1) == {0: (0, 3), 1: (1, 3), 2: (2, 3)}


def test_the_first_round_begins_without_the_missing_after_the_last_call() -> None:
    assert Group(expected=3, last_call=0.5).round(0, 1) == {0: (0, 2), 1: (1, 2)}


def test_the_last_call_is_not_for_less_than_the_fewest() -> None:
    group = Group(fewest=2, expected=3, last_call=0.1)
    first = group.join(0)
    time.sleep(1)
    assert not first.done()
    assert places({0: first, 1: group.join(1)}) == {0: (0, 2), 1: (1, 2)}


def test_a_newcomer_waits_for_the_next_round_and_worker_0_sees_it() -> None:
    group = Group(expected=2)
    group.round(0, 1)
    assert not group.workers[0].newcomers_wait()
    newcomer = group.join(2)
    eventually(group.workers[0].newcomers_wait)
    assert not group.workers[1].newcomers_wait()
    assert not newcomer.done()
    group.end_round()
    joined = {2: newcomer, 0: group.join(0)}
    time.sleep(0.5)
    assert not joined[0].done(), "worker 1 was in the last round and has not left"
    assert places(joined | {1: group.join(1)}) == {0: (0, 3), 1: (1, 3), 2: (2, 3)}
    assert not group.workers[0].newcomers_wait()


def test_a_worker_that_leaves_after_a_round_is_not_waited_for_and_may_be_made_anew() -> None:
    group = Group(expected=3)
    group.round(0, 1, 2)
    group.end_round()
    assert group.workers.pop(2).leave()
    assert group.round(0, 1) == {0: (0, 2), 1: (1, 2)}
    newcomer = group.join(2)
    eventually(group.workers[0].newcomers_wait)
    group.end_round()
    assert places({2: newcomer, 0: group.join(0), 1: group.join(1)})[2] == (2, 3)


def test_a_worker_that_waits_may_leave_and_one_that_is_counted_on_may_not() -> None:
    group = Group(expected=2)
    group.round(0, 1)
    assert not group.workers[1].leave()
    newcomer = group.join(2)
    eventually(group.workers[0].newcomers_wait)
    assert group.workers[2].leave()
    eventually(lambda: not group.workers[0].newcomers_wait())
    group.end_round()
    assert group.round(0, 1) == {0: (0, 2), 1: (1, 2)}
    with pytest.raises(RendezvousClosedError):
        newcomer.result(SECONDS)


def test_a_worker_that_has_left_joins_no_more() -> None:
    group = Group(expected=1)
    group.round(0)
    group.end_round()
    assert group.workers[0].leave()
    with pytest.raises(RendezvousClosedError):
        group.join(0).result(SECONDS)
