"""How the processes of a group notice that one of them is gone."""

import socket
import threading
import time
from collections.abc import Callable
from queue import Queue

import numpy as np

from trainwright_trainers.runtime.links import LinkBoard, linked
from trainwright_trainers.runtime.watch import Sign

SECONDS = 20


class Group:
    """Processes as threads, and what they were told of each other."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.lost: Queue[tuple[int, int]] = Queue()
        self.boards: dict[int, LinkBoard] = {}
        self.port = 0
        self.before_connecting: Callable[[], object] = lambda: None
        self._rows = np.zeros((size, 2))
        self._met = threading.Barrier(size)

    def start(self, rank: int, act: Callable[[], object]) -> threading.Thread:
        """A process that does something while it is watched."""

        def gather(row: np.ndarray) -> np.ndarray:
            self._rows[rank] = row
            self._met.wait(SECONDS)
            self.port = int(self._rows[0, 0])
            if rank:
                self.before_connecting()
            return self._rows

        def run() -> None:
            try:
                lost = self.lost
                with linked(rank, self.size, "127.0.0.1", gather, lambda other: lost.put((rank, other))) as board:
                    self.boards[rank] = board
                    act()
            except ZeroDivisionError:
                pass

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


def fail() -> None:
    raise ZeroDivisionError


def test_the_first_process_notices_which_one_is_gone_and_the_others_follow_it() -> None:
    group, done, alone = Group(3), threading.Event(), threading.Event()

    def fail_later() -> None:
        done.wait(SECONDS)
        fail()

    group.start(0, fail_later)
    group.start(1, lambda: alone.wait(SECONDS))
    group.start(2, fail)
    assert group.lost.get(timeout=SECONDS) == (0, 2)
    done.set()
    assert group.lost.get(timeout=SECONDS) == (1, 0)
    alone.set()


def test_the_first_process_reads_the_others_signs_of_life_as_they_were_written() -> None:
    group, told, done = Group(2), threading.Event(), threading.Event()
    signs = {0: str(Sign(1, 5)), 1: str(Sign(2, 7))}

    def look() -> None:
        group.boards[0].write(0, signs[0])
        while group.boards[0].read() != signs:
            time.sleep(0.01)
        told.set()
        done.wait(SECONDS)

    def write() -> None:
        group.boards[1].write(1, signs[1])
        done.wait(SECONDS)

    group.start(0, look)
    group.start(1, write)
    assert told.wait(SECONDS)
    done.set()


def test_who_ends_as_it_should_is_not_lost() -> None:
    group, done = Group(3), threading.Event()
    first = group.start(0, lambda: done.wait(SECONDS))
    others = [group.start(rank, lambda: None) for rank in (1, 2)]
    for other in others:
        other.join(SECONDS)
    done.set()
    first.join(SECONDS)
    assert group.lost.empty()


def test_a_stranger_is_not_taken_for_one_of_the_group() -> None:
    group, done, refused = Group(2), threading.Event(), threading.Event()
    first = group.start(0, lambda: done.wait(SECONDS))

    def call() -> None:
        with socket.create_connection(("127.0.0.1", group.port), SECONDS) as connection:
            connection.sendall(bytes(12))
            if connection.recv(1) == b"":
                refused.set()

    group.before_connecting = call
    second = group.start(1, lambda: None)
    second.join(SECONDS)
    assert refused.is_set()
    done.set()
    first.join(SECONDS)
    assert group.lost.empty()
