"""An artifact: a directory whose `artifact.json` says what it holds, so that any step can load what another one made.

An artifact is hostile input until `read_artifact` has checked it: nothing in it is unpickled, no path leads out of its
directory, and every file has the size and digest that were written down.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import Field, ValidationError

from trainwright.api.base import JsonObject, Model
from trainwright.api.contract import ArtifactReference, Metrics
from trainwright.api.steps import Factory
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.files import flush

DESCRIPTION = "artifact.json"
"""The file that makes a directory an artifact."""
MAX_DESCRIPTION_BYTES = 16 << 20
"""The largest artifact.json that is read."""
MAX_FILE_BYTES = 256 << 30
"""The largest file of an artifact that is read."""


class ArtifactError(ConfigurationError):
    """The artifact is damaged or not what it claims to be; loading it again gives the same."""


class ArtifactFile(Model):
    """One file of an artifact."""

    path: str = Field(min_length=1, max_length=500)
    """Where it is, relative to the artifact's directory, with `/` between the parts."""

    size_bytes: int = Field(ge=0, le=MAX_FILE_BYTES)
    """Its size."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Its digest."""


class Quantization(Model):
    """What the integers of a quantized input or output stand for: (integer - zeroPoint) x scale."""

    scale: float
    """The real number that one step of the integer is."""

    zero_point: int
    """The integer that stands for zero."""


class Signature(Model):
    """One input or output of the model."""

    name: str = Field(min_length=1, max_length=200)
    """Its name in the file's format."""

    dtype: str = Field(pattern=r"^[a-z]+[0-9]*$", max_length=20)
    """NumPy's name of its number type, such as `float32`."""

    shape: list[int | str]
    """Its dimensions; a name, such as `batch`, stands for any size."""

    quantization: Quantization | None = None
    """How real numbers become its integers; none where it takes the numbers themselves."""


class Parent(Model):
    """The artifact that another one was made from."""

    name: str
    """The step that made the parent."""

    sha256: str
    """Digest of the parent's artifact.json."""


class Description(Model):
    """What `artifact.json` says."""

    name: str
    """The step that made the artifact."""

    format: str
    """What the files are, such as `safetensors` or `onnx`."""

    files: list[ArtifactFile] = Field(default_factory=list, max_length=1000)
    """Every file but this one."""

    model: Factory
    """What makes the model that the weights belong to."""

    inputs: list[Signature]
    """What the model takes."""

    outputs: list[Signature] = Field(default_factory=list)
    """What the model gives."""

    recipe: JsonObject = Field(default_factory=dict)
    """What was done to the model since its factory made it, by the kind of step; enough to do the same to its shape."""

    metrics: Metrics = Metrics()
    """What was measured of it, in the process that made it."""

    parent: Parent | None = None
    """What it was made from; none when it was trained from its initial weights."""

    tools: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that made it."""


@dataclass(frozen=True)
class Artifact:
    """An artifact on disk whose files are what its description says."""

    directory: Path
    description: Description
    sha256: str
    """Digest of its artifact.json."""

    @property
    def size_bytes(self) -> int:
        """Bytes of its files."""
        return sum(file.size_bytes for file in self.description.files)

    @property
    def as_parent(self) -> Parent:
        """How an artifact made from this one refers to it."""
        return Parent(name=self.description.name, sha256=self.sha256)

    def file(self, suffix: str) -> Path:
        """The one file whose name ends with `suffix`.

        Raises:
            ArtifactError: there is none, or more than one.
        """
        found = [file.path for file in self.description.files if file.path.endswith(suffix)]
        if len(found) != 1:
            raise ArtifactError(f"artifact {self.directory} must hold one {suffix} file, it holds {found or 'none'}")
        return self.directory / found[0]


@contextmanager
def drafted(output: Path) -> Iterator[Path]:
    """An empty directory beside `output` to write an artifact's files to; gone afterwards unless it was published."""
    draft = output.with_name(f"{output.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # what a killed attempt left
    draft.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_artifact(draft: Path, description: Description) -> Artifact:
    """Make an artifact of the files in `draft`: `description`, with their sizes and digests, becomes artifact.json.

    It can be loaded and measured like any other, and is moved to its place by `publish_artifact`.
    """
    files = [
        ArtifactFile(path=path.relative_to(draft).as_posix(), size_bytes=path.stat().st_size, sha256=_digest(path))
        for path in sorted(draft.rglob("*"))
        if path.is_file() and path != draft / DESCRIPTION
    ]
    return _describe(draft, description.model_copy(update={"files": files}))


def publish_artifact(artifact: Artifact, output: Path, path: str, metrics: Metrics) -> ArtifactReference:
    """Move a draft to `output`, which is `path` from the storage's root, so that it is there whole or not at all.

    What an earlier attempt of the step left at `output` is replaced.
    """
    metrics = metrics.model_copy(update={"size_bytes": artifact.size_bytes})
    final = _describe(artifact.directory, artifact.description.model_copy(update={"metrics": metrics}))
    for file in (*(final.directory / file.path for file in final.description.files), final.directory):
        flush(file)
    shutil.rmtree(output, ignore_errors=True)
    final.directory.rename(output)
    flush(output.parent)
    return ArtifactReference(
        name=final.description.name,
        format=final.description.format,
        path=path,
        size_bytes=final.size_bytes,
        sha256=final.sha256,
        metrics=metrics,
    )


def read_artifact(directory: Path) -> Artifact:
    """The artifact in `directory`, after its files were compared with their sizes and digests.

    Raises:
        ArtifactError: there is no artifact, it is damaged, or a path in it leads elsewhere.
    """
    source = directory / DESCRIPTION
    if not source.is_file():
        raise ArtifactError(f"{directory} holds no artifact: {DESCRIPTION} is missing")
    if source.stat().st_size > MAX_DESCRIPTION_BYTES:
        raise ArtifactError(f"{source} has {source.stat().st_size} bytes, more than {MAX_DESCRIPTION_BYTES}")
    content = source.read_bytes()
    try:
        description = Description.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"{source} does not describe an artifact: {where or 'it'}: {first['msg']}") from error
    for file in description.files:
        _verify(directory, file)
    return Artifact(directory, description, hashlib.sha256(content).hexdigest())


def _describe(directory: Path, description: Description) -> Artifact:
    content = description.model_dump_json(indent=2, exclude_none=True).encode()
    (directory / DESCRIPTION).write_bytes(content)
    return Artifact(directory, description, hashlib.sha256(content).hexdigest())


def _verify(directory: Path, file: ArtifactFile) -> None:
    parts = PurePosixPath(file.path).parts
    path = directory / file.path
    if (
        ".." in parts
        or PurePosixPath(file.path).is_absolute()
        or not path.resolve().is_relative_to(directory.resolve())
    ):
        raise ArtifactError(f"artifact {directory} names the file {file.path!r}, which is not inside it")
    if not path.is_file():
        raise ArtifactError(f"artifact {directory} lacks its file {file.path}")
    if path.stat().st_size != file.size_bytes:
        raise ArtifactError(f"{path} has {path.stat().st_size} bytes, {DESCRIPTION} says {file.size_bytes}")
    if _digest(path) != file.sha256:
        raise ArtifactError(f"{path} is not the file that was written: its SHA-256 differs from {DESCRIPTION}'s")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
