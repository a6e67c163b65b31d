"""What the operator costs beside the same Services and Jobs made by a script, on a real control plane with fake nodes.

    python -m benchmarks.operator_load 500 2
    python -m benchmarks.operator_load 50 2 --idle 10000

The floor and the operator take turns on one control plane, so that other load on the machine slows both alike: what is
compared are ratios within one run. All that it starts ends with it. The exit code says whether everything was carried
to its end, not whether it was fast.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is run as a file

from benchmarks.load.client import Client
from benchmarks.load.crowd import compare_crowds
from benchmarks.load.idle import measure_idle
from benchmarks.load.single import compare_singles, list_calls
from benchmarks.load.stage import Stage
from testbed import ControlPlane
from testbed import operator as installation
from testbed.operator import OperatorProcess

NODES = 10
SETTLE_SECONDS = 5.0
"""After the start of the operator, in which it becomes the leader."""


def main() -> None:
    """Reads the command line and runs the parts in turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operator_load", description=__doc__.splitlines()[0])
    parser.add_argument("jobs", type=int, help="jobs at once")
    parser.add_argument("workers", type=int, help="workers of each")
    parser.add_argument("--rounds", type=int, default=2, help="turns of the floor and of the operator (default: 2)")
    parser.add_argument("--singles", type=int, default=20, help="jobs on an idle cluster (default: 20)")
    parser.add_argument("--idle", type=int, default=0, help="finished jobs to lay down at the end (default: none)")
    options = parser.parse_args()
    with _stage() as stage:
        asyncio.run(_run(stage, options))


async def _run(stage: Stage, options: argparse.Namespace) -> None:
    async with Client(stage.plane.kubeconfig()) as client:
        await asyncio.sleep(SETTLE_SECONDS)
        await list_calls(stage, client)
        await compare_singles(stage, client, options.singles, options.workers)
        await compare_crowds(stage, client, options.jobs, options.workers, options.rounds)
        if options.idle:
            await measure_idle(stage, client, options.idle)


@contextmanager
def _stage() -> Iterator[Stage]:
    """A control plane with nodes, and the operator with the rights that it is installed with."""
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as folder:
        plane.add_fake_nodes(NODES)
        installation.install(plane)
        account = (installation.NAMESPACE, installation.SERVICE_ACCOUNT)
        operator = OperatorProcess(plane.service_account_kubeconfig(*account, Path(folder)), Path(folder))
        try:
            operator.start_ready()
            yield Stage(plane, operator)
        finally:
            operator.stop()


if __name__ == "__main__":
    main()
