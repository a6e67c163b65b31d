"""Builds a family's programs from its Go module, once, into the binary cache."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.families import Family


class BinariesMissingError(RuntimeError):
    """The control plane's programs are neither here nor can they be built; the message says what to install."""


def cache_directory() -> Path:
    """Where built programs are kept: `$TRAINWRIGHT_CACHE/testbed`, by default `~/.cache/trainwright/testbed`."""
    root = os.environ.get("TRAINWRIGHT_CACHE") or Path.home() / ".cache" / "trainwright"
    return Path(root) / "testbed"


def cached_or_built(family: Family) -> Path:
    """The folder with the family's programs, built first where the cache has none.

    Raises BinariesMissingError where they would have to be built and can't be.
    """
    cache = cache_directory()
    target = cache / family.key
    if target.is_dir():
        return target
    go = shutil.which("go")
    if go is None:
        raise BinariesMissingError(
            f"no {', '.join(family.programs)} in KUBEBUILDER_ASSETS, on PATH or in {cache}, and no Go to build them: "
            "install Go 1.26 or newer, or put the programs of one Kubernetes version on PATH"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f"{family.name}.lock"):
        if not target.is_dir():
            _build(family, go, target)
    return target


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Held by one process at a time, so that two test runs don't build the same thing side by side."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another user of {path.stem}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(family: Family, go: str, target: Path) -> None:
    """Builds into a folder beside `target` and renames it at the end: a build that was cut off leaves none."""
    say(f"building {family.name} {family.version}: once, and all of them take about 10 minutes on two idle cores")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        output = Path(scratch, "output")
        output.mkdir()
        # Go's own build cache would keep 7 GB for programs of 0.4 GB: it goes with this folder.
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOCACHE": str(Path(scratch, "go-build")),
            "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
            "GOWORK": "off",
        }
        for name, package in family.programs.items():
            say(f"  {name}")
            command = [go, "build", "-ldflags", family.ldflags, "-o", str(output / name), package]
            _run(command, family, environment)
        if family.files:
            _run([go, "mod", "download", family.module], family, environment)
            source = Path(_run([go, "list", "-m", "-f", "{{.Dir}}", family.module], family, environment).strip())
            for file in family.files:
                shutil.copyfile(source / file, output / Path(file).name)
        output.rename(target)
    say(f"built {family.name} in {time.monotonic() - started:.0f} s into {target}")


def _run(command: list[str], family: Family, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=family.directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BinariesMissingError(f"building {family.name} failed: {' '.join(command)}\n{done.stderr[-4000:]}")
    return done.stdout


def say(message: str) -> None:
    """Tells whoever waits."""
    print(f"testbed: {message}", file=sys.stderr, flush=True)
