"""Whom a group that makes no progress has to blame."""

import threading
import time
from collections.abc import Mapping

import pytest

from trainwright_trainers.runtime.watch import Hang, Sign, Watch, find_hang

Signs = dict[int, Sign]


def signs(*rows: tuple[int, int]) -> Signs:
    """(pulse, done) by rank."""
    return {rank: Sign(*row) for rank, row in enumerate(rows)}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # a process that gives no sign any more
        (signs((5, 7), (5, 7), (5, 7)), signs((8, 7), (5, 7), (8, 7)), (1, "rank 1 gave no sign of life")),
        (signs((5, 7), (5, 7), (5, 7)), signs((8, 7), (5, 7), (5, 7)), (1, "ranks 1, 2 gave no sign of life")),
        # all live, but one is not where the others wait
        (signs((5, 7), (5, 6), (5, 7)), signs((8, 7), (8, 6), (8, 7)), (1, "rank 1 stood still while the others")),
        (signs((5, 6), (5, 7), (5, 7)), signs((8, 6), (8, 7), (8, 7)), (0, "rank 0 stood still while the others")),
        # all wait for nobody
        (signs((5, 7), (5, 7)), signs((8, 7), (8, 7)), (0, "rank 0 and all others stood still")),
        # somebody got on between the looks: slow, and not at a standstill
        (signs((5, 7), (5, 6)), signs((8, 7), (8, 7)), None),
    ],
)
def test_the_one_to_blame_is_named(before: Signs, after: Signs, expected: tuple[int, str] | None) -> None:
    found = find_hang(0, before, after, 15)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.rank == expected[0]
        assert found.message.startswith(expected[1])


def test_what_another_process_found_before_it_ended_is_believed() -> None:
    after = {0: Sign(8, 7), 1: Sign(6, 7, "2:rank 2 gave no sign: of life"), 2: Sign(5, 7)}
    assert find_hang(0, signs((5, 7), (5, 7), (5, 7)), after, 15) == Hang(2, "rank 2 gave no sign: of life")


def test_a_sign_is_read_as_it_was_written() -> None:
    for sign in (Sign(3, 4), Sign(3, 4, "1:rank 1 gave no sign of life")):
        assert Sign.parse(str(sign)) == sign


class Memory:
    """A board for threads."""

    def __init__(self) -> None:
        self._lines: dict[int, str] = {}

    def write(self, rank: int, line: str) -> None:
        self._lines[rank] = line

    def read(self) -> Mapping[int, str]:
        return dict(self._lines)


def test_a_process_that_stands_still_is_found_by_the_watch_of_another() -> None:
    board, found, called = Memory(), [], threading.Event()

    def blame(hang: Hang) -> None:
        found.append(hang)
        called.set()

    stuck, waiting = Watch(), Watch()
    waiting.beat()  # it went on to the collective that it waits in
    stuck.begin(board, 0, 30, blame)
    waiting.begin(board, 1, 0.5, blame)
    try:
        assert called.wait(60)
        assert found[0].rank == 0
    finally:
        stuck.end()
        waiting.end()


def test_a_process_that_gets_on_is_left_alone() -> None:
    board, called = Memory(), threading.Event()
    watch = Watch()
    watch.begin(board, 0, 1.0, lambda _hang: called.set())
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        watch.beat()
        time.sleep(0.01)
    watch.end()
    assert not called.is_set()
