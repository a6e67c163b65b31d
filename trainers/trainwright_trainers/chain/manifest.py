"""manifest.json: what whoever serves the model must know, readable without trainwright."""

from pathlib import Path

from pydantic import Field

from trainwright.api.base import JsonObject, Model
from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.runtime.artifacts import Signature

MANIFEST = "manifest.json"


class Manifest(Model):
    """What a served model takes and gives."""

    name: str
    """The model's name: the job's."""

    format: str
    """What its file is, such as `onnx`."""

    file: str
    """Where its file is, from the manifest's directory."""

    inputs: list[Signature]
    """What it takes; where there is a `quantization`, real numbers are to be converted by it."""

    outputs: list[Signature]
    """What it gives."""

    preprocessing: JsonObject = Field(default_factory=dict)
    """How raw samples become inputs, as the data's factory says."""

    tools: dict[str, str]
    """Versions of the packages that made it."""


def write_manifest(directory: Path, job: str, converted: Converted, source: Source) -> None:
    """Write the manifest of the one model file somewhere below `directory`."""
    (file,) = directory.rglob(converted.file)
    manifest = Manifest(
        name=job,
        format=converted.format,
        file=file.relative_to(directory).as_posix(),
        inputs=converted.inputs,
        outputs=converted.outputs,
        preprocessing=dict(source.splits.preprocessing),
        tools=converted.tools,
    )
    (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
