"""Files that are there whole or not at all, also after a crash of the machine."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Wait until what was written to a file, or to a directory's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file at `path`, whose directory is made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    flush(draft)
    draft.replace(path)
    flush(path.parent)
