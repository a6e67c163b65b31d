"""Checkpoints as directories: there whole or not at all, checked before they are used, the newest few kept.

A checkpoint is `step-00000100/` with any files and a `manifest.json` that holds their sizes and digests. It is written
beside its place under another name and moved there when all of it is on the disk, so that a process killed at any
moment, or a full disk, leaves the older ones as they are.
"""

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from trainwright.api.base import Model
from trainwright_trainers.runtime.files import flush

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
"""The largest manifest that is read."""
_NAME = re.compile(r"step-([0-9]{8,12})")
_DRAFT_SUFFIX = ".draft"


class DamagedCheckpointError(RuntimeError):
    """A checkpoint isn't what was written."""


FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
"""A file directly in the checkpoint's directory."""


class ManifestFile(Model):
    """One file of a checkpoint."""

    size_bytes: int = Field(ge=0)
    """Its size."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Its digest."""


class Manifest(Model):
    """What a checkpoint holds."""

    step: int = Field(ge=0)
    """Optimizer steps done."""

    files: dict[FileName, ManifestFile] = Field(max_length=1000)
    """Every file but the manifest, by name."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files are what its manifest says."""

    step: int
    directory: Path


class Checkpoints:
    """The checkpoints in one directory. One process saves; the others may read, and write to its draft meanwhile."""

    def __init__(self, directory: Path, keep: int) -> None:
        self._directory = directory
        self._keep = keep

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole, and a note for each newer one that is not."""
        notes: list[str] = []
        for step in reversed(self._steps()):
            try:
                return self.read(step), notes
            except (DamagedCheckpointError, OSError) as error:
                notes.append(f"the checkpoint of step {step} is damaged and was passed over: {error}")
        return None, notes

    def read(self, step: int) -> Checkpoint:
        """The checkpoint of one step.

        Raises:
            DamagedCheckpointError: it isn't what was written.
            OSError: it can't be read.
        """
        directory = self._directory / _name(step)
        for name, file in _read_manifest(directory, step).files.items():
            _verify(directory / name, file)
        return Checkpoint(step, directory)

    def place(self, step: int) -> Path:
        """Where the checkpoint of a step is; not looked at."""
        return self._directory / _name(step)

    def draft(self, step: int) -> Path:
        """Where the checkpoint of a step is written before it is whole."""
        return self.place(step).with_suffix(_DRAFT_SUFFIX)

    def drop_after(self, step: int) -> None:
        """Remove what a training that goes on from `step` will write again: drafts, and checkpoints of later steps."""
        for draft in self._directory.glob(f"*{_DRAFT_SUFFIX}"):
            shutil.rmtree(draft, ignore_errors=True)
        for later in self._steps():
            if later > step:
                shutil.rmtree(self._directory / _name(later), ignore_errors=True)

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """Make the checkpoint of a step, and remove those beyond the number to keep.

        Args:
            step: optimizer steps done.
            write: writes the files into the empty directory it is given.

        Raises:
            OSError: it could not be written; the older ones are as they were.
        """
        final, draft = self.place(step), self.draft(step)
        shutil.rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir(parents=True, exist_ok=True)  # other processes that write to it may have made it
            write(draft)
            _seal(draft, step)
            shutil.rmtree(final, ignore_errors=True)
            draft.rename(final)
            flush(self._directory)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)  # makes room, when the disk is full
            raise
        for old in self._steps()[: -self._keep]:
            shutil.rmtree(self._directory / _name(old), ignore_errors=True)

    def _steps(self) -> list[int]:
        if not self._directory.is_dir():
            return []
        matches = (_NAME.fullmatch(path.name) for path in self._directory.iterdir() if path.is_dir())
        return sorted(int(match[1]) for match in matches if match)


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _seal(directory: Path, step: int) -> None:
    """Write the manifest of the files in `directory`, and wait until all is on the disk."""
    files = {path.name: path for path in directory.iterdir()}
    manifest = Manifest(
        step=step,
        files={
            name: ManifestFile(size_bytes=path.stat().st_size, sha256=_digest(path)) for name, path in files.items()
        },
    )
    (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    for path in (*files.values(), directory / MANIFEST, directory):
        flush(path)


def _read_manifest(directory: Path, step: int) -> Manifest:
    path = directory / MANIFEST
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise DamagedCheckpointError(f"{MANIFEST} has more than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DamagedCheckpointError(f"{MANIFEST} can't be read: {error.errors()[0]['msg']}") from error
    if manifest.step != step:
        raise DamagedCheckpointError(f"{MANIFEST} is that of step {manifest.step}")
    return manifest


def _verify(path: Path, file: ManifestFile) -> None:
    if path.is_symlink():
        raise DamagedCheckpointError(f"{path.name} is a link")
    if path.stat().st_size != file.size_bytes:
        raise DamagedCheckpointError(f"{path.name} has {path.stat().st_size} bytes instead of {file.size_bytes}")
    if _digest(path) != file.sha256:
        raise DamagedCheckpointError(f"the content of {path.name} is not what was written")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
