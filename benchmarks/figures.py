"""Counts the time that a trainer's live figures take."""

import functools
import threading
import time

COUNTED = "BENCHMARK_COUNTED"
"""Set where it is to be counted."""


class Spent:
    """CPU time of some functions, in seconds, in all threads; one that calls another is not counted twice."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = threading.local()

    def count(self, owner: type, name: str) -> None:
        """Count the time in a method from now on."""
        method = getattr(owner, name)

        @functools.wraps(method)
        def counted(*args: object, **kwargs: object) -> object:
            if getattr(self._inside, "now", False):
                return method(*args, **kwargs)
            self._inside.now, begun = True, time.thread_time()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - begun
                self._inside.now = False

        setattr(owner, name, counted)


SPENT = Spent()


def count_figures() -> None:
    """Count the time in all that is done for the live figures in this process, from the loop to the answered scrape."""
    from prometheus_client.exposition import ThreadingWSGIServer

    from trainwright_trainers.runtime.losses import Losses
    from trainwright_trainers.runtime.progress import Progress
    from trainwright_trainers.runtime.reporting import Reporter

    for owner, names in {
        Progress: ("update",),
        Losses: ("add", "save"),
        Reporter: ("stretch", "epoch", "checkpoint", "stall"),
        ThreadingWSGIServer: ("process_request_thread",),
    }.items():
        for name in names:
            SPENT.count(owner, name)
