"""What the processes of one pod tell each other: a private directory of the process that started the others."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainwright.api.contract import StepResult
from trainwright_trainers.runtime.faults import failure, fault_of_exit, first_at_fault
from trainwright_trainers.runtime.files import write_whole

GROUP_VARIABLE = "TRAINWRIGHT_GROUP"
"""The directory, for the processes that are started."""
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
        # First those that died without a word, then the others in the order in which they spoke.
        return first_at_fault(silent + [result for result in left.values() if result.outcome == "Failed"])

    def _result(self, rank: int) -> Path:
        return self._path / f"result-{rank}"
