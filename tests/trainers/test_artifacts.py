"""An artifact is there whole or not at all, and what is not what it says is never loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainwright.api.contract import ArtifactReference, Metrics
from trainwright.api.steps import Factory
from trainwright_trainers.runtime.artifacts import (
    Artifact,
    ArtifactError,
    Description,
    Signature,
    drafted,
    publish_artifact,
    read_artifact,
    write_artifact,
)

DESCRIPTION = Description(
    name="train",
    format="raw",
    model=Factory(factory="a.b:c", args={"width": 8}),
    inputs=[Signature(name="x", dtype="float32", shape=["batch", 1, 8, 8])],
)


def publish(output: Path, content: bytes = b"weights") -> ArtifactReference:
    with drafted(output) as draft:
        (draft / "1").mkdir()
        (draft / "1" / "model.raw").write_bytes(content)
        made = write_artifact(draft, DESCRIPTION)
        return publish_artifact(made, output, "steps/train/artifact", Metrics(accuracy=0.5))


def tampered(output: Path, **changes: Any) -> Path:
    """A published artifact whose artifact.json says something else of its first file."""
    publish(output)
    path = output / "artifact.json"
    content = json.loads(path.read_text())
    content["files"][0] |= changes
    path.write_text(json.dumps(content))
    return output


def test_artifact_is_read_as_it_was_published(tmp_path: Path) -> None:
    reference = publish(tmp_path / "artifact")
    artifact = read_artifact(tmp_path / "artifact")
    assert artifact.sha256 == reference.sha256
    assert artifact.size_bytes == reference.size_bytes == len(b"weights")
    assert artifact.description.metrics == Metrics(accuracy=0.5, size_bytes=7) == reference.metrics
    assert artifact.description.model == DESCRIPTION.model
    assert artifact.file(".raw").read_bytes() == b"weights"
    assert artifact.as_parent.sha256 == reference.sha256


def test_nothing_is_left_of_a_draft_that_failed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"), drafted(tmp_path / "artifact") as draft:
        (draft / "model.raw").write_bytes(b"half")
        raise OSError("disk full")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_attempt_left_is_not_part_of_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "artifact.draft").mkdir()
    (tmp_path / "artifact.draft" / "half").write_bytes(b"old")
    publish(tmp_path / "artifact")
    assert [file.path for file in read_artifact(tmp_path / "artifact").description.files] == ["1/model.raw"]
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_second_attempt_replaces_the_first(tmp_path: Path) -> None:
    first = publish(tmp_path / "artifact", b"first")
    second = publish(tmp_path / "artifact", b"second")
    assert read_artifact(tmp_path / "artifact").sha256 == second.sha256 != first.sha256


@pytest.mark.parametrize("path", ["../secret", "1/../../secret", "/etc/hostname", "..", "1/../../../etc/passwd"])
def test_path_that_leads_out_of_the_artifact_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_bytes(b"weights")
    with pytest.raises(ArtifactError, match="not inside it"):
        read_artifact(tampered(tmp_path / "artifact", path=path))


def test_link_that_leads_out_of_the_artifact_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "artifact")
    (tmp_path / "secret").write_bytes(b"weights")
    (tmp_path / "artifact" / "1" / "model.raw").unlink()
    (tmp_path / "artifact" / "1" / "model.raw").symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactError, match="not inside it"):
        read_artifact(tmp_path / "artifact")


def test_changed_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "artifact")
    (tmp_path / "artifact" / "1" / "model.raw").write_bytes(b"Weights")
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        read_artifact(tmp_path / "artifact")


def test_cut_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "artifact")
    (tmp_path / "artifact" / "1" / "model.raw").write_bytes(b"weight")
    with pytest.raises(ArtifactError, match=r"has 6 bytes, artifact\.json says 7"):
        read_artifact(tmp_path / "artifact")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "artifact")
    (tmp_path / "artifact" / "1" / "model.raw").unlink()
    with pytest.raises(ArtifactError, match=r"lacks its file 1/model\.raw"):
        read_artifact(tmp_path / "artifact")


@pytest.mark.parametrize("size", [1 << 60, -1, 10**30, "7"])
def test_size_that_no_file_has_is_refused(tmp_path: Path, size: object) -> None:
    with pytest.raises(ArtifactError, match=r"files\.0\.sizeBytes"):
        read_artifact(tampered(tmp_path / "artifact", sizeBytes=size))


def test_unknown_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"files\.0\.pickle"):
        read_artifact(tampered(tmp_path / "artifact", pickle="model.pkl"))


def test_description_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    publish(tmp_path / "artifact")
    with (tmp_path / "artifact" / "artifact.json").open("ab") as stream:
        stream.truncate(17 << 20)
    with pytest.raises(ArtifactError, match="more than"):
        read_artifact(tmp_path / "artifact")


def test_description_that_is_not_json_is_refused(tmp_path: Path) -> None:
    publish(tmp_path / "artifact")
    (tmp_path / "artifact" / "artifact.json").write_bytes(b"\x80\x04\x95")
    with pytest.raises(ArtifactError, match="does not describe an artifact"):
        read_artifact(tmp_path / "artifact")


def test_directory_without_description_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"artifact\.json is missing"):
        read_artifact(tmp_path)


def test_file_is_found_by_its_suffix_only_when_it_is_the_only_one(tmp_path: Path) -> None:
    publish(tmp_path / "artifact")
    artifact: Artifact = read_artifact(tmp_path / "artifact")
    with pytest.raises(ArtifactError, match=r"must hold one \.onnx file"):
        artifact.file(".onnx")
