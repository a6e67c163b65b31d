"""How a group learns at once that a process of it is gone: ps-lite leaves the others waiting for ever.

The first pod listens; every worker holds a connection to it, which ends with its process. Over the same connection the
worker is told who is lost. A second one carries the signs of life by which a process that hangs is found.
"""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from trainwright.api.contract import Fault
from trainwright_trainers.runtime.faults import EXIT_ERROR

CONNECT_SECONDS = 300.0
"""How long a worker tries to reach the first pod."""
LOST = "PeerLost"
"""Kind of the fault of a process that only follows another one's end."""
FAREWELL = "farewell\n"


class BoardServer:
    """Keeps the workers' lines, and tells them all of the first fault."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._lines: dict[int, str] = {}
        self._streams: list[Any] = []
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._closed = False
        board = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                purpose, _, number = self.rfile.readline().decode().strip().partition(" ")
                if purpose == "presence":
                    board._accompany(int(number), self.rfile, self.wfile)
                elif purpose == "signs":
                    board._exchange(self.rfile, self.wfile)
                elif purpose == "fault":
                    board.tell(Fault.model_validate_json(self.rfile.readline()))
                elif purpose == "drain":
                    board.drain(float(number))  # the end of the connection is the answer

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(address, Handler)

    def __enter__(self) -> "BoardServer":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="board", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._server.shutdown()
        self._server.server_close()

    def tell(self, fault: Fault) -> None:
        """Tell all workers of a fault, if it is the first one."""
        with self._lock:
            if self._fault is not None or self._closed:
                return
            self._fault = fault
            for stream in self._streams:
                _send(stream, fault)

    def drain(self, seconds: float) -> None:
        """Wait until the workers of all pods have gone: one may still wait for the store's last answer."""
        end = time.monotonic() + seconds
        while self._streams and time.monotonic() < end:
            time.sleep(0.02)

    def close(self) -> None:
        """Tell of no fault any more."""
        self._closed = True

    def _accompany(self, rank: int, incoming: Any, outgoing: Any) -> None:
        """Wait for the end of a worker."""
        with self._lock:
            self._streams.append(outgoing)
            if self._fault is not None:
                _send(outgoing, self._fault)
        try:
            last = incoming.readline().decode()
        except OSError:
            last = ""
        with self._lock:
            self._streams.remove(outgoing)
        if last != FAREWELL:
            self.tell(lost_fault(f"the process of rank {rank} is gone", rank))

    def _exchange(self, incoming: Any, outgoing: Any) -> None:
        """Answer each line of a worker with those of all."""
        for line in incoming:
            rank, _, sign = line.decode().rstrip("\n").partition(" ")
            with self._lock:
                if sign:
                    self._lines[int(rank)] = sign
                reply = json.dumps(self._lines)
            outgoing.write(f"{reply}\n".encode())
            outgoing.flush()


class DistantBoard:
    """The first pod's board, as another pod uses it that has a part of the key-value store; see `BoardServer`."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._closed = False

    def __enter__(self) -> "DistantBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tell(self, fault: Fault) -> None:
        """Tell all workers of a fault."""
        if not self._closed:
            with _connect(self._address) as connection:
                connection.sendall(f"fault\n{fault.model_dump_json()}\n".encode())

    def drain(self, seconds: float) -> None:
        """Wait until the workers of all pods have gone; the first pod's end says so, too."""
        try:
            with socket.create_connection(self._address, timeout=2 * seconds) as connection:
                connection.sendall(f"drain {seconds}\n".encode())
                connection.recv(1)
        except OSError:
            return

    def close(self) -> None:
        """Tell of no fault any more."""
        self._closed = True


def lost_fault(message: str, rank: int | None = None) -> Fault:
    """What a process says that only follows another one's end."""
    return Fault(kind=LOST, message=message, rank=rank, exit_code=EXIT_ERROR, secondary=True, time=datetime.now(UTC))


def _send(stream: Any, fault: Fault) -> None:
    try:
        stream.write(f"{fault.model_dump_json()}\n".encode())
        stream.flush()
    except OSError:
        return  # its own connection tells that it is gone


class Presence:
    """A worker's connection to the first pod."""

    def __init__(self, address: tuple[str, int], rank: int, on_fault: Callable[[Fault], None]) -> None:
        """Be present from now on; `on_fault` is called in another thread, once, when something is lost."""
        self._parted = False
        self._connection = _connect(address)
        self._connection.sendall(f"presence {rank}\n".encode())
        threading.Thread(target=self._listen, args=(on_fault,), name="presence", daemon=True).start()

    def part(self) -> None:
        """Say farewell: this process may end without the others' minding."""
        self._parted = True
        try:
            self._connection.sendall(FAREWELL.encode())
        except OSError:
            return  # the first pod has ended already

    def _listen(self, on_fault: Callable[[Fault], None]) -> None:
        try:
            told = self._connection.makefile("r", encoding="utf-8").readline()
        except OSError:
            told = ""
        if not self._parted:
            on_fault(Fault.model_validate_json(told) if told else lost_fault("the group's first pod is gone", 0))


class SignBoard:
    """The group's signs of life; see `runtime.watch.Board`."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = _connect(address)
        self._connection.sendall(b"signs\n")
        self._replies = self._connection.makefile("r", encoding="utf-8")

    def write(self, rank: int, line: str) -> None:
        """Replace the line of a process."""
        self._ask(rank, line)

    def read(self) -> Mapping[int, str]:
        """The lines by rank, of those that have left one."""
        return self._ask(0, "")

    def _ask(self, rank: int, line: str) -> dict[int, str]:
        self._connection.sendall(f"{rank} {line}\n".encode())
        return {int(rank): line for rank, line in json.loads(self._replies.readline()).items()}


def _connect(address: tuple[str, int]) -> socket.socket:
    """A connection to the first pod, once it listens.

    Raises:
        TimeoutError: it did not.
    """
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            connection = socket.create_connection(address, timeout=10)
        except OSError as error:
            if time.monotonic() > end:
                raise TimeoutError(f"the first pod doesn't listen at {address}: {error}") from error
            time.sleep(0.1)
        else:
            connection.settimeout(None)
            return connection
