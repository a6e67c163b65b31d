"""Reading ahead of the use, in threads."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Wanted = TypeVar("Wanted")
Read = TypeVar("Read")

MOST_READERS = 8
"""Threads that read samples ahead of a process' training at most."""


class ReadAhead:
    """Threads that read what is wanted next, a few ahead."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_readers(), thread_name_prefix="reader")

    def map(self, read: Callable[[Wanted], Read], wanted: Iterator[Wanted]) -> Iterator[Read]:
        """What `read` gives for each of what is wanted, in that order."""
        ahead: deque[Future[Read]] = deque()
        for one in wanted:
            ahead.append(self._threads.submit(read, one))
            if len(ahead) > _readers():
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _readers() -> int:
    """Reading threads of this process: its share of the CPUs."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MOST_READERS, len(os.sched_getaffinity(0)) // local))
