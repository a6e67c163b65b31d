"""Installs programs that tests need from Debian's archive, where that may be done: as root on Debian."""

import os
import shutil
import subprocess
from collections.abc import Iterable

from testbed.build import BinariesMissingError


def install(packages: Iterable[str]) -> None:
    """Installs packages. Raises BinariesMissingError where it can't, with what to do."""
    wanted = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BinariesMissingError(f"install {wanted}: that takes root, and apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    for arguments in (["update", *options], ["install", *options, "--no-install-recommends", *wanted.split()]):
        done = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BinariesMissingError(f"apt-get {arguments[0]} failed: {done.stderr[-2000:]}")
