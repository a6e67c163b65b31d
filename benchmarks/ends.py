"""Processes that end with the one that started them, however it ends; only on Linux."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when the thread that started it ends.

    Args:
        parent: its process id, where it is known, to notice that it ended before this call.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def ending_with_us() -> Callable[[], None]:
    """What a process that this one starts does first, as Popen's `preexec_fn`."""
    return partial(end_with_parent, os.getpid())


def end(process: subprocess.Popen[bytes]) -> None:
    """End it now, and wait until it has."""
    process.kill()
    process.wait()
