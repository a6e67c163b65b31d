"""Waiting for something that another process brings about."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(probe: Callable[[], T], what: str, seconds: float = 60) -> T:
    """Calls `probe` until it answers something true, and returns that.

    Raises TimeoutError naming `what` and the last answer.
    """
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s, last seen {answer!r}")
        time.sleep(0.05)
    return answer
