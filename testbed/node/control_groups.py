"""The control group of a cluster's pods. It has the name of the process that made it, so that one left by a process
that is no more can be told, and is removed by whoever comes next."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.node import leftovers

MOUNT = Path("/sys/fs/cgroup")
PREFIX = "trainwright-node-"
GONE_SECONDS = 30


@contextmanager
def made() -> Iterator[str]:
    """Makes a group in every hierarchy and removes it at the end; gives its path in them."""
    remove_leftovers()
    name = f"{PREFIX}{os.getpid()}"
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
    try:
        yield f"/{name}"
    finally:
        remove(name)


def remove_leftovers() -> None:
    """Removes the groups of processes that ended without doing so."""
    there = [path for hierarchy in _hierarchies() for path in hierarchy.iterdir()]
    for name in {path.name for path in leftovers.abandoned(there, PREFIX)}:
        remove(name)


def remove(name: str) -> None:
    """Removes a group with all below it, once its last process is gone. Raises OSError where one stays."""
    deadline = time.monotonic() + GONE_SECONDS
    for hierarchy in _hierarchies():
        root = hierarchy / name
        for folder in sorted((root, *root.rglob("*/")), reverse=True) if root.exists() else ():
            while folder.is_dir():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)


def _hierarchies() -> list[Path]:
    """One a controller with control groups of version 1, else the only one."""
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    return [path for path in MOUNT.iterdir() if path.is_dir() and (path / "cgroup.procs").exists()]
