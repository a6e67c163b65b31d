"""Notices that the processes of a group make no progress any more, and tells which of them is to blame.

A collective that hangs says nothing about who hangs: all that came wait alike. So each process has a thread that gives
signs of life on a board that all can read, with a count of what the process has done. When its own count stands still
for too long, it looks at the others': a process without a sign of life was halted or cut off, and one whose count is
lower than the others' is stuck outside the collective that they wait in.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from trainwright_trainers.runtime.logs import LOG

SIGNS = 10
"""Signs of life a process gives in the time that it may stand still."""
MOST_SECONDS_BETWEEN = 5.0
"""Time between two signs at most."""
LOOK_SIGNS = 3
"""Signs that a living process gives while it is looked at."""


class Board(Protocol):
    """Where the processes of a group leave a line each for all to read; used by one thread of a process only."""

    def write(self, rank: int, line: str) -> None:
        """Replace the line of a process."""

    def read(self) -> Mapping[int, str]:
        """The lines by rank, of those that have left one."""


@dataclass(frozen=True)
class Sign:
    """A process' sign of life."""

    pulse: int
    """Counts the signs."""
    done: int
    """Counts what the process has done."""
    verdict: str = ""
    """Whom it found to blame, as `rank:message`, before it ended."""

    def __str__(self) -> str:
        return f"{self.pulse} {self.done} {self.verdict}"

    @classmethod
    def parse(cls, line: str) -> "Sign":
        """The sign that became such a line."""
        pulse, done, verdict = line.split(" ", 2)
        return cls(int(pulse), int(done), verdict)


@dataclass(frozen=True)
class Hang:
    """What is wrong with a group that makes no progress."""

    rank: int
    """The process to blame."""
    message: str


def find_hang(mine: int, before: Mapping[int, Sign], after: Mapping[int, Sign], seconds: float) -> Hang | None:
    """Whom to blame for a standstill, from two looks at the board between which every living process gave signs.

    Args:
        mine: the rank of the process that looks; it has stood still for `seconds`.
        before: the signs at the first look.
        after: the signs at the second.
        seconds: for the message.

    Returns:
        None when some process has got on between the looks: the group is slow, and not at a standstill.
    """
    told = next((after[rank].verdict for rank in sorted(after) if after[rank].verdict), None)
    if told is not None:
        rank, _, message = told.partition(":")
        return Hang(int(rank), message)
    silent = [rank for rank in sorted(before) if rank != mine and after[rank].pulse == before[rank].pulse]
    if silent:
        who = _ranks(silent)
        return Hang(silent[0], f"{who} gave no sign of life while the others waited {seconds:g} s for it")
    if any(after[rank].done != before[rank].done for rank in before):
        return None
    furthest = max(sign.done for sign in after.values())
    behind = [rank for rank in sorted(after) if after[rank].done < furthest]
    if behind:
        return Hang(behind[0], f"{_ranks(behind)} stood still while the others waited {seconds:g} s for it")
    return Hang(mine, f"rank {mine} and all others stood still for {seconds:g} s")


def _ranks(ranks: list[int]) -> str:
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"


class Watch:
    """Watches over this process' progress from `begin` to `end`. Without `begin` it does nothing."""

    def __init__(self) -> None:
        self._done = 0
        self._ended = threading.Event()

    def beat(self) -> None:
        """Say that this process got on; called often, so it only counts."""
        self._done += 1

    def begin(self, board: Board, rank: int, seconds: float, on_hang: Callable[[Hang], None]) -> None:
        """Watch from now on.

        Args:
            board: where the group's signs of life are.
            rank: this process' rank.
            seconds: how long it may stand still.
            on_hang: called in the watching thread, once, with whom to blame.
        """
        arguments = (board, rank, seconds, on_hang)
        threading.Thread(target=self._run, args=arguments, name="watch", daemon=True).start()

    def end(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _run(self, board: Board, rank: int, seconds: float, on_hang: Callable[[Hang], None]) -> None:
        try:
            hang = self._watch(board, rank, seconds)
        except Exception as error:  # without the board, the framework's own timeout still ends the group
            LOG.warning("no process watches over rank %d any more: %s", rank, error)
            return
        if hang is not None:
            on_hang(hang)

    def _watch(self, board: Board, rank: int, seconds: float) -> Hang | None:
        """Give signs of life until there is somebody to blame, or the watch ends."""
        pause = min(seconds / SIGNS, MOST_SECONDS_BETWEEN)
        pulse, done, since = 0, self._done, time.monotonic()
        looked: tuple[int, dict[int, Sign]] | None = None
        while not self._ended.is_set():
            pulse += 1
            board.write(rank, str(Sign(pulse, self._done)))
            if self._done != done:
                done, since, looked = self._done, time.monotonic(), None
            elif looked is not None and pulse >= looked[0] + LOOK_SIGNS:
                hang = find_hang(rank, looked[1], _read(board), seconds)
                if hang is not None:
                    board.write(rank, str(Sign(pulse, done, f"{hang.rank}:{hang.message}")))
                    return hang
                since, looked = time.monotonic(), None
            elif looked is None and time.monotonic() - since >= seconds - (LOOK_SIGNS + 1) * pause:
                looked = pulse, _read(board)
            self._ended.wait(pause)
        return None


def _read(board: Board) -> dict[int, Sign]:
    return {rank: Sign.parse(line) for rank, line in board.read().items()}
