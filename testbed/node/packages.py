"""What the node needs from Debian."""

import os
import shutil

from testbed import debian
from testbed.build import BinariesMissingError

PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "cc": "gcc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""Debian package by a program of it."""


def install() -> None:
    """Installs what is missing. Raises BinariesMissingError where it can't."""
    if wanted := _missing():
        debian.install(wanted)


def require() -> None:
    """Raises BinariesMissingError where a node can't run, with what to do."""
    if os.geteuid() != 0:
        raise BinariesMissingError("a node for tests needs root: it makes namespaces, mounts and control groups")
    if wanted := _missing():
        raise BinariesMissingError(
            f"a node for tests needs {', '.join(wanted)}: `python -m testbed.node packages` installs it on Debian"
        )


def _missing() -> list[str]:
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
