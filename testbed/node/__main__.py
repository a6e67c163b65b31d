"""A cluster with a real node: `python -m testbed.node packages | up`."""

import argparse
import os
import signal
import subprocess
import sys

from testbed.binaries import find_kubectl
from testbed.build import BinariesMissingError
from testbed.node import NodeCluster, packages
from testbed.processes import StartError

IMAGES = ("operator", "pytorch")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m testbed.node", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("packages", help="install what the node needs from Debian, where this is a Debian and root's")
    commands.add_parser("up", help="start a cluster, open a shell in its network, and end it with the shell")
    options = parser.parse_args()
    try:
        if options.command == "packages":
            packages.install()
        else:
            sys.exit(use_cluster())
    except (BinariesMissingError, StartError) as error:
        sys.exit(f"testbed: {error}")


def use_cluster() -> int:
    """Runs a shell in a cluster's network; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130))
    with NodeCluster(IMAGES) as cluster, cluster.network():
        environment = {
            **os.environ,
            "KUBECONFIG": str(cluster.kubeconfig()),
            "PATH": os.pathsep.join([str(find_kubectl().parent), os.environ["PATH"]]),
        }
        return subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=environment, check=False).returncode


if __name__ == "__main__":
    main()
