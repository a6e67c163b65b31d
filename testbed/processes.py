"""A program of the control plane as a child process that can't outlive the test run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from testbed import die_with_parent

START_SECONDS = 120
STOP_SECONDS = 10
LINES_SHOWN = 20


class StartError(RuntimeError):
    """A program ended or did not become ready; the message holds the last lines of its log."""


@dataclass(frozen=True)
class Usage:
    """What a process has used since it started."""

    memory_bytes: int
    """Resident set size now."""
    cpu_seconds: float
    """User and system time."""


class Process:
    """One program with its log. On Linux the kernel kills it when the thread that started it ends."""

    def __init__(
        self,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or Path(command[0]).name
        self.log = directory / f"{self.name}.log"
        self._command = command
        # The developer's own ~/.kube and ~/.kwok must not matter.
        self._environment = {**os.environ, "HOME": str(directory), **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, also of a process that has ended."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def start(self, ready: Callable[[], bool]) -> None:
        """Starts the program and waits until `ready` answers True.

        Raises StartError where it ends before, or takes longer than START_SECONDS.
        """
        self.launch()
        self.wait(ready)

    def launch(self) -> None:
        """Starts the program without waiting for it."""
        guard = [sys.executable, "-I", die_with_parent.__file__, str(os.getpid())]
        with self.log.open("ab") as log:
            # A session of its own, so that Ctrl-C reaches this process alone, which then ends its children in order.
            self._process = subprocess.Popen(
                [*guard, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def wait(self, ready: Callable[[], bool]) -> None:
        """Waits until `ready` answers True; an OSError from it counts as not yet."""
        assert self._process is not None, f"{self.name} was never started"
        deadline = time.monotonic() + START_SECONDS
        while not _answers(ready):
            if self._process.poll() is not None:
                raise StartError(self._report(f"ended with exit code {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise StartError(self._report(f"was not ready after {START_SECONDS} s"))
            time.sleep(0.05)

    def stop(self) -> None:
        """Asks the program to end, kills it where it doesn't, and returns when it is gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Of a program that has ended; negative for a signal."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """Ends the program without a warning; it may be launched again."""
        assert self._process is not None, f"{self.name} was never started"
        self._process.kill()
        self._process.wait()

    def usage(self) -> Usage:
        """Memory and CPU time of the running program."""
        process = psutil.Process(self.pid)
        times = process.cpu_times()
        return Usage(memory_bytes=process.memory_info().rss, cpu_seconds=times.user + times.system)

    def _report(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
        return "\n  ".join([f"{self.name} {what}; the end of its log:", *lines])


def _answers(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except OSError:
        return False
