"""The bond between a process and the one that started it."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends, even by SIGKILL; only on Linux.

    Args:
        parent: the process id that the parent said it has, to notice that it died before this call.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)
