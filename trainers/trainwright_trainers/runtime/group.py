"""What the processes of one pod tell each other: a private directory of the process that started the others."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from trainwright.api.contract import Fault, StepResult
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.faults import EXIT_ERROR, failure, fault_of_exit, first_at_fault
from trainwright_trainers.runtime.files import write_whole
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.watch import Hang

GROUP_VARIABLE = "TRAINWRIGHT_GROUP"
"""The directory, for the processes that are started."""
LOST = "LostProcess"
"""Kind of the fault of a process that ends because another one is gone."""
LAST_WORDS_SECONDS = 1.0
"""How long a process' main thread has to say itself what went wrong, once another process is gone."""
HUNG = "HungProcess"
"""Kind of the fault of a group that makes no progress, and its message names the process to blame."""
PARENT_VARIABLE = "TRAINWRIGHT_PARENT"
"""Process id of the one that starts them."""


class GroupDirectory:
    """Requests to the workers, and their results, as files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def stop_marker(self) -> Path:
        """The file that is there from the moment on that the workers are asked to stop."""
        return self._path / "stop"

    @property
    def started(self) -> bool:
        """Whether any worker has started."""
        return any(self._path.glob("started-*"))

    @property
    def met(self) -> bool:
        """Whether any worker has met those of all pods."""
        return any(self._path.glob("met-*"))

    def meet(self, rank: int) -> None:
        """Say that the worker has met all others."""
        (self._path / f"met-{rank}").touch()

    def enter(self, rank: int) -> None:
        """Say that the worker has started; a result of the one before it with the same rank is dropped."""
        self._result(rank).unlink(missing_ok=True)
        (self._path / f"started-{rank}-{os.getpid()}").touch()

    def leave(self, rank: int, result: StepResult) -> None:
        """Say how the worker ended."""
        write_whole(self._result(rank), result.model_dump_json().encode())

    def results(self) -> Iterator[tuple[int, StepResult]]:
        """The results by rank, in the order in which they were left."""
        for path in sorted(self._path.glob("result-*"), key=lambda path: path.stat().st_mtime_ns):
            yield int(path.name.removeprefix("result-")), StepResult.model_validate_json(path.read_bytes())

    def conclude(self, failed: Mapping[int, int]) -> StepResult:
        """The pod's result: that of the lowest rank, or the first fault.

        Args:
            failed: exit codes of the workers that didn't end with 0, by rank, as `subprocess` has them.
        """
        left = dict(self.results())
        if not failed:
            return left[min(left)]
        silent = [
            failure(fault_of_exit(code, rank))
            for rank, code in failed.items()
            if rank not in left or left[rank].outcome != "Failed"
        ]
        spoken = [result for result in left.values() if result.outcome == "Failed"]
        hung = [result for result in spoken if result.fault is not None and result.fault.kind == HUNG]
        # Who tells of a hanging process also knows why it was killed; else first come those that died without a word.
        return first_at_fault(hung + silent + spoken)

    def end_hung(self) -> None:
        """Once a worker has found that another one hangs, kill those that have not ended: nothing else ends those."""
        left = dict(self.results())
        if not any(result.fault is not None and result.fault.kind == HUNG for result in left.values()):
            return
        for path in self._path.glob("started-*"):
            rank, process = map(int, path.name.removeprefix("started-").split("-"))
            if rank not in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                path.unlink()

    def _result(self, rank: int) -> Path:
        return self._path / f"result-{rank}"


def leave_bereft(lost: int, step: StepContext) -> NoReturn:
    """End this worker, whatever its main thread waits for, since the process of rank `lost` is gone."""
    time.sleep(LAST_WORDS_SECONDS)
    own, message = int(os.environ["RANK"]), f"rank {lost} is gone"
    fault = Fault(kind=LOST, message=message, rank=own, exit_code=EXIT_ERROR, secondary=True, time=datetime.now(UTC))
    LOG.error("%s", message)
    GroupDirectory(Path(os.environ[GROUP_VARIABLE])).leave(own, failure(fault, step.progress.step))
    os._exit(EXIT_ERROR)


def leave_hung(hang: Hang, seconds: float, step: StepContext) -> NoReturn:
    """End this worker at once, whatever its main thread waits for; its result tells which process hangs."""
    own, done = int(os.environ["RANK"]), step.progress.step
    where = f" after optimizer step {done}" if done is not None else ""
    message = f"{hang.message}{where}; collectives.timeoutSeconds is {seconds:g}"
    fault = Fault(kind=HUNG, message=message, rank=hang.rank, exit_code=EXIT_ERROR, time=datetime.now(UTC))
    LOG.error("%s", message)
    GroupDirectory(Path(os.environ[GROUP_VARIABLE])).leave(own, failure(fault, done))
    os._exit(EXIT_ERROR)
