"""Limits what can wait to so many a second, so that a crowd of jobs is started before it is told of."""

import time


class Pace:
    """Moments that are handed out, a fixed time apart.

    Args:
        a_second: how many.
    """

    def __init__(self, a_second: float) -> None:
        self._apart, self._next = 1 / a_second, 0.0

    def reserve(self) -> float:
        """The next moment that is free, by the monotonic clock; it is the caller's then."""
        moment = max(self._next, time.monotonic())
        self._next = moment + self._apart
        return moment
