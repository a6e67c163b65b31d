"""A cluster with a real node: `python -m testbed.node packages | up | demo`."""

import argparse
import os
import signal
import sys

from testbed.build import BinariesMissingError
from testbed.node import NodeCluster, client, packages
from testbed.processes import StartError

IMAGES = ("operator", "pytorch")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m testbed.node", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("packages", help="install what the node needs from Debian, where this is a Debian and root's")
    commands.add_parser("up", help="start a cluster, open a shell in its network, and end it with the shell")
    commands.add_parser("demo", help="start a cluster, train the first example on it, and end it")
    options = parser.parse_args()
    try:
        if options.command == "packages":
            packages.install()
        else:
            sys.exit(use_cluster(options.command))
    except (BinariesMissingError, StartError) as error:
        sys.exit(f"testbed: {error}")


def use_cluster(command: str) -> int:
    """Runs the demo, or a shell, in a cluster's network; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130))
    with NodeCluster(IMAGES) as cluster, cluster.network():
        wanted = client.demo(cluster) if command == "demo" else [os.environ.get("SHELL", "/bin/sh")]
        return client.run(cluster, wanted).returncode


if __name__ == "__main__":
    main()
