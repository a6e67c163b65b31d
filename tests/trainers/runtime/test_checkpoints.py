"""Checkpoints as directories: whole or absent, verified, the newest few kept."""

import errno
import json
from pathlib import Path

import pytest

from trainwright_trainers.runtime.checkpoints import Checkpoints, DamagedCheckpointError


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def write(directory: Path) -> None:
    (directory / "state.json").write_text("{}")


def test_the_newest_whole_one_is_found(checkpoints: Checkpoints, tmp_path: Path) -> None:
    assert checkpoints.newest() == (None, [])
    for step in (5, 10, 100_000_000):
        checkpoints.save(step, write)
    newest, notes = checkpoints.newest()
    assert newest is not None
    assert (newest.step, notes) == (100_000_000, [])
    assert (newest.directory / "state.json").read_text() == "{}"
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_save_that_fails_leaves_the_older_ones_and_no_rest(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(5, write)

    def fill_the_disk(directory: Path) -> None:
        write(directory)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoints.save(10, fill_the_disk)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000005"]
    assert checkpoints.newest()[0] is not None


def test_one_that_was_killed_while_written_is_not_seen_and_swept_away(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(5, write)
    draft = tmp_path / "checkpoints" / "step-00000010.draft"
    draft.mkdir()
    write(draft)
    newest, notes = checkpoints.newest()
    assert newest is not None
    assert (newest.step, notes) == (5, [])
    checkpoints.drop_after(5)
    assert not draft.exists()


def test_what_a_resumed_training_will_write_again_is_dropped(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(5, write)
    checkpoints.save(10, write)
    checkpoints.drop_after(5)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000005"]


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "a/b", ".hidden", ""])
def test_a_manifest_names_no_file_elsewhere(name: str, checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(5, write)
    path = tmp_path / "checkpoints" / "step-00000005" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = manifest["files"]["state.json"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(DamagedCheckpointError, match=r"manifest\.json can't be read"):
        checkpoints.read(5)


def test_a_link_is_not_a_checkpoints_file(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(5, write)
    file = tmp_path / "checkpoints" / "step-00000005" / "state.json"
    file.rename(tmp_path / "elsewhere.json")
    file.symlink_to(tmp_path / "elsewhere.json")
    newest, notes = checkpoints.newest()
    assert newest is None
    assert "link" in notes[0]


def test_a_copied_checkpoint_does_not_pass_for_another_step(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(5, write)
    (tmp_path / "checkpoints" / "step-00000005").rename(tmp_path / "checkpoints" / "step-00000009")
    newest, notes = checkpoints.newest()
    assert newest is None
    assert "step 5" in notes[0]
