"""Where the control plane's programs come from. A script stands in for Go: a real build takes minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import BinariesMissingError
from testbed.binaries import find_binaries, find_kubectl
from testbed.build import cached_or_built
from testbed.families import ETCD, FAMILIES, HELM, KUBERNETES, KWOK, MONITORING_CRDS

ROOT = Path(__file__).parents[2]
SYSTEM_PATH = "/usr/bin:/bin"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH that a test may put programs into; the cache is empty."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return folder


def program(folder: Path, name: str, script: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\nPATH={SYSTEM_PATH}\n{script}\n")
    file.chmod(0o755)
    return file


def fill_cache(tmp_path: Path) -> None:
    for family in FAMILIES:
        folder = tmp_path / "cache" / "testbed" / family.key
        folder.mkdir(parents=True)
        for name in family.programs:
            program(folder, name)


# Writes what `go build -o FILE` would, and answers `go list` with an empty module folder.
FAKE_GO = """
[ "$1" = list ] && echo "$FAKE_MODULE" && exit
[ "$1" = mod ] && exit
while [ "$1" != -o ]; do shift; done
echo "$CGO_ENABLED $GOFLAGS" >> "$FAKE_LOG"
touch "$2"
"""


def fake_go(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the stand-in and returns the file in which it notes what it built."""
    module = tmp_path / "module"
    for file in KWOK.files:
        (module / file).parent.mkdir(parents=True, exist_ok=True)
        (module / file).write_text("stage")
        (module / file).chmod(0o444)
    monkeypatch.setenv("FAKE_MODULE", str(module))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "built"))
    program(path, "go", FAKE_GO)
    return tmp_path / "built"


def test_pinned_versions_are_read_from_the_go_modules() -> None:
    assert [family.version for family in (KUBERNETES, ETCD, KWOK)] == ["v1.34.4", "v3.7.2", "v0.8.0"]
    assert [family.version for family in (HELM, MONITORING_CRDS)] == ["v4.3.1", "v0.85.0"]
    assert "component-base/version.gitVersion=v1.34.4" in KUBERNETES.ldflags
    assert "component-base/version.gitMinor=34" in KUBERNETES.ldflags


def test_kubebuilder_assets_come_before_path(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_cache(tmp_path)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    program(path, "etcd")
    program(path, "kubectl")
    expected = program(tmp_path / "assets", "etcd")
    assert find_binaries().etcd == expected
    assert find_kubectl() == path / "kubectl"


def test_kubernetes_programs_of_different_origin_are_not_mixed(path: Path, tmp_path: Path) -> None:
    fill_cache(tmp_path)
    program(path, "kube-apiserver")
    cache = tmp_path / "cache" / "testbed" / KUBERNETES.key
    found = find_binaries()
    assert found.kube_apiserver == cache / "kube-apiserver"
    program(path, "kube-scheduler")
    program(path, "kube-controller-manager")
    assert find_binaries().kube_apiserver == path / "kube-apiserver"


@pytest.mark.usefixtures("path")
def test_without_go_the_error_says_what_to_install() -> None:
    with pytest.raises(BinariesMissingError, match=r"install Go 1\.26 or newer"):
        find_binaries()


def test_a_build_is_kept_and_not_repeated(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_go(path, tmp_path, monkeypatch)
    folder = cached_or_built(KWOK)
    assert {file.name for file in folder.iterdir()} == {"kwok"} | {Path(file).name for file in KWOK.files}
    assert cached_or_built(KWOK) == folder
    assert log.read_text().splitlines() == ["0 -mod=readonly -trimpath -buildvcs=false"]
    assert {entry.name for entry in folder.parent.iterdir()} == {folder.name, "kwok.lock"}


def test_a_failed_build_leaves_nothing_and_shows_why(path: Path, tmp_path: Path) -> None:
    program(path, "go", "echo 'missing go.sum entry' >&2; exit 1")
    with pytest.raises(BinariesMissingError, match=r"building etcd failed: .*\nmissing go.sum entry"):
        cached_or_built(ETCD)
    assert [entry.name for entry in (tmp_path / "cache" / "testbed").iterdir()] == ["etcd.lock"]


def test_two_runs_build_once(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_go(path, tmp_path, monkeypatch)
    program(path, "go", "sleep 1\n" + FAKE_GO)
    command = [
        sys.executable,
        "-c",
        "from testbed.build import *; cached_or_built(__import__('testbed').families.ETCD)",
    ]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(log.read_text().splitlines()) == 1
    assert sum("waiting for another user of etcd" in text for text in said) == 1


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_without_programs_tests_are_skipped_but_fail_on_ci(path: Path, tmp_path: Path, ci: str, outcome: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        f"{Path(__file__).parent}/test_control_plane.py",
    ]
    one = ["-k", "test_every_program_reports_what_it_uses"]
    environment = {**os.environ, "CI": ci, "TRAINWRIGHT_TEST_CLUSTER": ""}
    done = subprocess.run([*command, *one], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert outcome in done.stdout.splitlines()[-1], done.stdout
    assert "install Go 1.26 or newer" in done.stdout
