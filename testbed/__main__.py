"""`python -m testbed up` runs a control plane until Ctrl-C, `build` only builds its programs, `helm` runs helm."""

import argparse
import os
import signal
import sys
import threading

from testbed import browser
from testbed.binaries import build_all, find_helm, find_kubectl
from testbed.build import BinariesMissingError
from testbed.controlplane import ControlPlane
from testbed.processes import StartError
from testbed.prometheus import find_prometheus


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a control plane, print how to reach it, and wait")
    up.add_argument("--nodes", type=int, default=3, help="fake nodes to add (default: 3)")
    up.add_argument("--gpus", type=int, default=0, help="GPUs on each of them (default: 0)")
    commands.add_parser("build", help="build the programs into the cache")
    commands.add_parser("browser", help="install the browser that tests look at pages with: as root, on Debian")
    helm = commands.add_parser("helm", help="run the pinned helm")
    helm.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        if options.command == "helm":
            os.execv(program := find_helm(), [str(program), *options.arguments])
        elif options.command == "build":
            print(*build_all(), find_prometheus(), sep="\n")
        elif options.command == "browser":
            browser.install()
        else:
            run_until_stopped(options.nodes, options.gpus)
    except (BinariesMissingError, StartError) as error:
        sys.exit(f"testbed: {error}")


def run_until_stopped(nodes: int, gpus: int) -> None:
    """Runs a control plane until SIGINT or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with ControlPlane() as plane:
        plane.add_fake_nodes(nodes, gpus)
        print(f"export KUBECONFIG={plane.kubeconfig()}", flush=True)
        print(f"kubectl is {find_kubectl()}; logs are in {plane.directory}; Ctrl-C ends it", file=sys.stderr)
        stopped.wait()


if __name__ == "__main__":
    main()
