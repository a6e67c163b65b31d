"""One worker as a process on this machine, in the place of a pod."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainwright.local.environment import pod_environment
from trainwright.local.supervisor import KILL_SIGNAL
from trainwright.planning.observation import WorkerOutcome, read_result

LAST_LINES = 20
_SUPERVISOR = (sys.executable, "-m", "trainwright.local.supervisor")


class LocalPod:
    """A worker's processes, its log and its last words."""

    def __init__(
        self, template: Mapping[str, Any], name: str, index: int, workers: int, directory: Path, programs: Path
    ) -> None:
        """Starts the container `trainer` of a pod template.

        Args:
            template: the child Job's pod template.
            name: the pod's name; its log is `logs/<name>.log`.
            index: the worker's index in its group.
            workers: how many workers the group has.
            directory: the run's directory.
            programs: the folder of its Python.
        """
        container = next(item for item in template["spec"]["containers"] if item["name"] == "trainer")
        self.name, self.index = name, index
        self.log = directory / "logs" / f"{name}.log"
        self._termination_log = directory / "logs" / f"{name}.result.json"
        self._stop_seconds: float = template["spec"]["terminationGracePeriodSeconds"]
        self._stop_requested: float | None = None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._termination_log.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*_SUPERVISOR, str(self._stop_seconds), *container["command"]],
                env=pod_environment(container, index, workers, self._termination_log, programs),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """The command's exit code; none while it runs."""
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            self._process.stdin.close()
        return code if code is None or code >= 0 else 128 - code

    def stop(self) -> None:
        """Asks the command to stop, and kills it once its time to do so is over; called again until it has ended."""
        if self._stop_requested is None:
            self._stop_requested = time.monotonic()
            self._process.send_signal(signal.SIGTERM)
        elif time.monotonic() - self._stop_requested > self._stop_seconds:
            self.kill()

    def kill(self) -> None:
        """Kills the command with all its descendants."""
        self._process.send_signal(KILL_SIGNAL)

    def outcome(self) -> WorkerOutcome:
        """How the worker ended."""
        message = self._termination_log.read_text(errors="replace") if self._termination_log.exists() else ""
        return WorkerOutcome(
            index=self.index,
            exit_code=self.exit_code,
            result=read_result(message),
            last_words=message or "\n".join(self.last_lines()),
        )

    def last_lines(self) -> Sequence[str]:
        """The end of its log; the log may hold earlier attempts too."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace").splitlines()[-LAST_LINES:]
