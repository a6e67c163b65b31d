"""Notices at once that another process of the group is gone, whatever this one is doing.

Each process keeps a connection with the first one, which the system closes when either ends, however it does. A
collective only notices that while it talks with the lost process.
"""

import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from trainwright_trainers.data import Array

MEETING_SECONDS = 60.0
"""How long a process waits for the others' connections, after all have met."""
GREETING = struct.Struct("!QI")
"""The group's token, and the rank of the process that connects."""
FAREWELL = b".\n"
"""What a process says before it ends as it should."""
LONGEST_LINE = 1000

OnLost = Callable[[int], None]
"""(rank of a process that is gone) -> called in a thread of its own, once for each."""


class LinkBoard:
    """The group's signs of life, as `watch.Board`: the first process has those of all, each other one its own."""

    def __init__(self) -> None:
        self._lines: dict[int, str] = {}
        self._upwards: socket.socket | None = None

    def write(self, rank: int, line: str) -> None:
        """Replace the line of a process, here and at the first one."""
        self._lines[rank] = line
        if self._upwards is not None:
            self._upwards.sendall(f"{line}\n".encode())

    def read(self) -> dict[int, str]:
        """The lines by rank, of those that have left one."""
        return dict(self._lines)

    def connect(self, connection: socket.socket) -> None:
        """Send lines to the first process."""
        self._upwards = connection


@contextmanager
def linked(rank: int, size: int, host: str, gather: Callable[[Array], Array], on_lost: OnLost) -> Iterator[LinkBoard]:
    """Watch the other processes of the group until the end of the context; its beginning is collective.

    Args:
        rank: this process' rank.
        size: processes of the group.
        host: where the first process is.
        gather: the rows of all processes: [n] float64 -> [processes, n].
        on_lost: told of each process that ended, or left its context by an error, before this one left its own. The
            first process sees all others, the others see the first one.
    """
    board = LinkBoard()
    if size == 1:
        yield board
        return
    connections = _welcome(size, gather) if rank == 0 else _call(rank, host, gather)
    ended = threading.Event()
    for other, connection in connections.items():
        arguments = (connection, other, board, ended, on_lost)
        threading.Thread(target=_listen, args=arguments, name=f"link {other}", daemon=True).start()
    if rank:
        board.connect(connections[0])
    try:
        yield board
        for connection in connections.values():
            with suppress(OSError):
                connection.sendall(FAREWELL)
    finally:
        ended.set()
        for connection in connections.values():
            _close(connection)


def _welcome(size: int, gather: Callable[[Array], Array]) -> dict[int, socket.socket]:
    """The connections with all other processes; strangers' are closed."""
    own = secrets.randbits(48)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", 0), family=family, backlog=size, dualstack_ipv6=both) as server:
        gather(np.array([server.getsockname()[1], own], np.float64))
        end = time.monotonic() + MEETING_SECONDS
        found: dict[int, socket.socket] = {}
        while len(found) < size - 1:
            server.settimeout(max(end - time.monotonic(), 0.001))
            connection, _ = server.accept()
            connection.settimeout(5)
            token, rank = _greeting(connection)
            if token == own and 0 < rank < size and rank not in found:
                connection.settimeout(None)
                found[rank] = connection
            else:
                connection.close()
    return found


def _greeting(connection: socket.socket) -> tuple[int, int]:
    with suppress(OSError, struct.error):
        token, rank = GREETING.unpack(connection.recv(GREETING.size, socket.MSG_WAITALL))
        return token, rank
    return -1, -1


def _call(rank: int, host: str, gather: Callable[[Array], Array]) -> dict[int, socket.socket]:
    """The connection with the first process."""
    port, token = (int(number) for number in gather(np.zeros(2))[0])
    connection = socket.create_connection((host, port), MEETING_SECONDS)
    connection.settimeout(None)
    connection.sendall(GREETING.pack(token, rank))
    return {0: connection}


def _listen(connection: socket.socket, other: int, board: LinkBoard, ended: threading.Event, on_lost: OnLost) -> None:
    said = b""
    with suppress(OSError), connection.makefile("rb") as lines:
        while (said := lines.readline(LONGEST_LINE)) not in (b"", FAREWELL):
            board.write(other, said.decode(errors="replace").removesuffix("\n"))
    if said != FAREWELL and not ended.is_set():
        on_lost(other)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # so that the thread which listens ends, too
    connection.close()
