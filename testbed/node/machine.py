"""A machine of its own on this kernel: a network, mounts and processes that nothing outside it shares.

It has no way out: no interface leads to another network. All of it, the bridges, the mounts and every process, is the
kernel's to take away when process 1 ends, which it does with the thread that made it, however that ends.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.node import init
from testbed.processes import Process, StartError

CLONE_NEWNET = 0x40000000
GONE_SECONDS = 60


class Machine:
    """Runs from `with` to the end of the block.

    Args:
        directory: for logs; /var/log is kept there, too.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pid = 0

    def __enter__(self) -> Self:
        unshare = [_program("unshare"), "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
        self._process = Process([*unshare, sys.executable, "-I", init.__file__], self._directory, name="machine")
        self._process.start(self._born)
        try:
            self._prepare()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, *command: str) -> str:
        """Runs a program to its end; returns what it printed. Raises StartError where it fails."""
        done = subprocess.run(self._inside(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StartError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def process(self, command: list[str], environment: Mapping[str, str] | None = None) -> Process:
        """A program that runs until the machine ends."""
        return Process(self._inside(command), self._directory, environment, name=Path(command[0]).name)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Inside the block this thread, and what it starts, is in the machine's network."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _enter(Path(f"/proc/{self._pid}/ns/net"))
            yield
        finally:
            _set(outside)
            os.close(outside)

    def _prepare(self) -> None:
        log = self._directory / "var-log"
        log.mkdir()
        # The kubelet's volumes must be seen by containerd's mounts and the other way round, but not from outside.
        self.run("mount", "--make-rshared", "/")
        self.run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
        self.run("mount", "--bind", str(log), "/var/log")
        self.run("ip", "link", "set", "lo", "up")

    def _born(self) -> bool:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text().startswith("unshare"):
            return False
        self._pid = int(children[0])
        return True

    def _inside(self, command: list[str] | tuple[str, ...]) -> list[str]:
        return [_program("nsenter"), f"--target={self._pid}", "--net", "--mount", "--pid", "--", *command]

    def _end(self) -> None:
        self._process.kill()
        deadline = time.monotonic() + GONE_SECONDS
        while Path(f"/proc/{self._pid}").exists():
            if time.monotonic() > deadline:
                raise StartError(f"process 1 of the machine ({self._pid}) is still there after {GONE_SECONDS} s")
            time.sleep(0.02)


def _program(name: str) -> str:
    return shutil.which(name) or f"/usr/bin/{name}"


def _enter(namespace: Path) -> None:
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        _set(descriptor)
    finally:
        os.close(descriptor)


def _set(descriptor: int) -> None:
    """Moves this thread, and no other, to a network."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
