"""How often the processes of a training meet to read the loss, report, and agree whether to stop."""

SECONDS = 0.5
"""Time between two meetings, about: how long a request to stop waits at most."""
MOST_STEPS = 1000
"""Optimizer steps between two meetings at most."""


class Pace:
    """The optimizer step of the next meeting.

    All processes must know it beforehand, so at each meeting every one proposes when the next shall be, and the
    soonest holds.
    """

    def __init__(self, step: int) -> None:
        self._interval = 1
        self.next_step = step + 1

    def proposal(self, seconds_per_step: float) -> int:
        """Steps until the next meeting, as this process sees it; at most twice as many as until the last."""
        return max(1, min(int(SECONDS / max(seconds_per_step, 1e-9)), 2 * self._interval, MOST_STEPS))

    def agree(self, step: int, interval: int) -> None:
        """At the meeting of `step` it was agreed to meet again after `interval` steps."""
        self._interval = interval
        self.next_step = step + interval
