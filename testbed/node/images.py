"""The images that the node runs, built by the project's Dockerfile on a base made from Debian's packages.

Building needs the outside network; running them doesn't. What was built stays in the cache, under a name that changes
with everything that goes into it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from testbed.build import BinariesMissingError, cache_directory, locked, say

ROOT = Path(__file__).parents[2]
INPUTS = ("Dockerfile", ".dockerignore", "pyproject.toml")
"""Files that decide what the images do, beside the pinned requirements and the code."""

BASE_PACKAGES = ("python3", "python3-venv", "libgomp1", "ca-certificates")
CERTIFICATES = "/etc/ssl/certs"
SUITE = "bookworm"

DEVICES = {"jax": "cpu", "tensorflow": "cpu"}
"""Of the targets that can do without NVIDIA's libraries: gigabytes that no test uses."""

PAUSE = b"""
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int number) { _exit(0); }
int main(void) {
  struct sigaction stop = {.sa_handler = end};
  sigaction(SIGTERM, &stop, 0);
  sigaction(SIGINT, &stop, 0);
  for (;;) {
    pause();
    while (waitpid(-1, 0, WNOHANG) > 0) {}
  }
}
"""
"""What holds a pod's namespaces open: does nothing until it is told to end."""


class Builder:
    """buildah with a store of its own in the cache."""

    def __init__(self) -> None:
        self.folder = cache_directory() / "node"
        self._store = [f"--root={self.folder}/buildah", "--runroot=/run/trainwright-buildah"]

    def trainer(self, target: str) -> str:
        """Name of the image of a target of the Dockerfile, which is built first where the store lacks it."""
        name = f"localhost/trainwright/{target}:{source_digest()}"
        if not self._has(name):
            with locked(_made(self.folder) / "build.lock"):
                if not self._has(name):
                    self._build(target, name)
        return name

    def pause(self, name: str) -> str:
        """The image that the kubelet holds each pod's namespaces open with."""
        if not self._has(name):
            with tempfile.TemporaryDirectory() as path:
                source, program = Path(path, "pause.c"), Path(path, "root", "pause")
                source.write_bytes(PAUSE)
                program.parent.mkdir()
                _run(["cc", "-static", "-Os", "-o", str(program), str(source)])
                self._from_folder(program.parent, name, "--entrypoint", '["/pause"]')
        return name

    def save(self, name: str, archive: Path, known: Path) -> None:
        """Writes an image to a tar archive that containerd can import, without the layers that it has already.

        Args:
            name: of the image.
            archive: the file to write.
            known: containerd's folder of layers, by their digest.
        """
        with tempfile.TemporaryDirectory(dir=_made(self.folder / "scratch")) as path:
            layout = Path(path)
            blobs = _made(layout / "blobs/sha256")
            for layer in known.glob("*"):  # what is there is not written again
                os.link(layer, blobs / layer.name)
            self._buildah("push", "--quiet", "--disable-compression", name, f"oci:{layout}:image")
            index = json.loads((layout / "index.json").read_text())
            index["manifests"][0]["annotations"] = {"io.containerd.image.name": name}
            (layout / "index.json").write_text(json.dumps(index))
            with tarfile.open(archive, "w") as tar:
                for file in sorted(path for path in layout.rglob("*") if path.is_file()):
                    if not (known / file.name).exists():
                        tar.add(file, file.relative_to(layout))

    def _build(self, target: str, name: str) -> None:
        say(f"building the image {target}; the first time takes minutes")
        self._buildah("rm", "--all")  # what builds have left that were cut off, gigabytes of it
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        base = self._base()
        certificates = f"{CERTIFICATES}/ca-certificates.crt"
        self._buildah(
            *("bud", "--quiet", "--layers", "--network=host", f"--target={target}", f"--tag={name}"),
            *(f"--build-arg=BASE={base}", f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"),
            *([f"--build-arg=DEVICE={DEVICES[target]}"] if target in DEVICES else []),
            *([f"--build-arg=SSL_CERT_FILE={certificates}"] if Path(certificates).exists() else []),
            str(ROOT),
        )
        former = [other for other in self._names() if other.startswith(name.rsplit(":", 1)[0] + ":") and other != name]
        if former:
            self._buildah("rmi", *former)

    def _base(self) -> str:
        """A Debian with Python, from the packages of its mirror."""
        digest = hashlib.sha256(" ".join((SUITE, *BASE_PACKAGES)).encode()).hexdigest()[:12]
        name = f"localhost/trainwright-base:{digest}"
        if not self._has(name):
            say("making a Debian for the images' base")
            with tempfile.TemporaryDirectory(dir=_made(self.folder)) as path:
                included = f"--include={','.join(BASE_PACKAGES)}"
                _run(["debootstrap", "--variant=minbase", included, SUITE, path])
                shutil.rmtree(Path(path, "var/cache/apt/archives"))
                Path(path).chmod(0o755)
                self._from_folder(Path(path), name, "--env", "PATH=/usr/local/bin:/usr/bin:/bin")
        return name

    def _from_folder(self, folder: Path, name: str, *configuration: str) -> None:
        container = self._buildah("from", "scratch").strip()
        try:
            self._buildah("add", "--quiet", container, str(folder), "/")
            self._buildah("config", *configuration, container)
            self._buildah("commit", "--quiet", container, name)
        finally:
            self._buildah("rm", container)

    def _has(self, name: str) -> bool:
        return name in self._names()

    def _names(self) -> list[str]:
        return self._buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()

    def _buildah(self, *arguments: str) -> str:
        scratch = _made(self.folder / "scratch")
        settings = {"STORAGE_DRIVER": "overlay", "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(scratch)}
        return _run(["buildah", *self._store, *arguments], settings)


def source_digest() -> str:
    """Changes with every file that decides what the images do."""
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> list[Path]:
    code = [path for part in ("operator/trainwright", "trainers/trainwright_trainers") for path in _files(ROOT / part)]
    return [ROOT / name for name in INPUTS] + list((ROOT / "requirements").glob("*.txt")) + code


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command: list[str], settings: dict[str, str] | None = None) -> str:
    environment = {**os.environ, **(settings or {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        raise BinariesMissingError(f"{' '.join(command)} ended with {done.returncode}:\n{words}")
    return done.stdout
