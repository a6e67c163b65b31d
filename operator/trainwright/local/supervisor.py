"""Holds one worker's processes together: `python -m trainwright.local.supervisor COMMAND...`.

It runs the command, passes SIGTERM on to it, and ends with its exit code. When it is over, whatever the command has
left behind is killed, also what has moved to a session of its own or whose parent has died. Its standard input is a
pipe from the runner: when that closes, however the runner died, the command is asked to stop, and then killed.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import psutil

KILL_SIGNAL = signal.SIGQUIT
"""Sent by the runner: kill the command and all its descendants now."""

CANNOT_RUN = 127
"""Exit code for a command that can't be started, as a shell gives it."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> int:
    """Runs the command; returns its exit code, 128 + the number for a signal."""
    _, stop_seconds, *command = sys.argv
    _become_subreaper()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner, who decides what follows from it
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_parent)
    except OSError as error:
        print(f"can not run {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - the worker's log
        return CANNOT_RUN
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(KILL_SIGNAL, lambda *_: threading.Thread(target=_kill_descendants).start())
    threading.Thread(target=_stop_when_orphaned, args=(child, float(stop_seconds)), daemon=True).start()
    code = child.wait()
    _kill_descendants()
    return code if code >= 0 else 128 - code


def _stop_when_orphaned(child: "subprocess.Popen[bytes]", stop_seconds: float) -> None:
    """Waits for the runner's end of the pipe to close; then gives the command its time to save, and ends it."""
    with contextlib.suppress(OSError):
        os.read(sys.stdin.fileno(), 1)
    child.terminate()
    time.sleep(stop_seconds)
    _kill_descendants()


def _kill_descendants() -> None:
    """Kills all that is left; new ones may appear while it does, so it looks until none is alive."""
    while living := [process for process in psutil.Process().children(recursive=True) if _is_alive(process)]:
        for process in living:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.01)


def _is_alive(process: psutil.Process) -> bool:
    """Whether it can still do anything. What has ended is not reaped here: the exit code is for `main`."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _become_subreaper() -> None:
    """Orphans among the descendants become children of this process, where they can be found. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _die_with_parent() -> None:
    """In the command's process: be killed when the supervisor is. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
