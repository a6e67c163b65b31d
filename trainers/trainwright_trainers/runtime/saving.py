"""Saving in the background, so that training goes on while a checkpoint is written."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from trainwright_trainers.runtime.logs import LOG


class BackgroundSaver:
    """Runs one save at a time in a thread of its own.

    A save that fails, as on a full disk, doesn't end the training: it is said, and the next one is tried.

    Attributes:
        seconds: how long the last save took.
        notes: what the user should know of saves that failed.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self.seconds = 0.0
        self.notes: list[str] = []

    def submit(self, step: int, save: Callable[[], None]) -> None:
        """Begin to save; waits for the save before it, so that never more than one interval's work is unsaved."""
        self.wait()
        self._pending = self._thread.submit(self._run, step, save)

    def wait(self) -> None:
        """Wait until the last save has ended."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _run(self, step: int, save: Callable[[], None]) -> None:
        start = time.monotonic()
        try:
            save()
        except OSError as error:
            note = f"the checkpoint of step {step} could not be saved: {error}"
            LOG.warning(note)
            self.notes.append(note)
        self.seconds = time.monotonic() - start
