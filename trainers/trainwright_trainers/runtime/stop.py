"""The request to stop: SIGTERM asks a step to save what it has and end."""

import signal
from pathlib import Path
from types import FrameType


class StopRequest:
    """Whether this process was asked to stop.

    The process that Kubernetes signals listens; those it started look for the marker file that it then makes. A file
    can't come too early, as a signal can that reaches a process before its handler is there.
    """

    def __init__(self, marker: Path | None = None) -> None:
        self._marker = marker
        self._signalled = False

    @property
    def requested(self) -> bool:
        """True from the first request on."""
        return self._signalled or (self._marker is not None and self._marker.exists())

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as requests from now on; further ones change nothing. Main thread only."""
        signal.signal(signal.SIGTERM, self._request)
        signal.signal(signal.SIGINT, self._request)

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True
