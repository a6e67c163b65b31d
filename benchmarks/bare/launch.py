"""The bare loops' processes, for frameworks that bring no launcher of their own.

python -m benchmarks.bare.launch benchmarks.bare.jax
"""

import os
import subprocess
import sys

from benchmarks.bare.task import PROCESSES
from benchmarks.ends import end, ending_with_us
from trainwright.local.ports import LOOPBACK, free_ports

ADDRESSES = "BARE_ADDRESSES"
"""Where the processes may listen, one `host:port` for each rank, with commas between."""


def addresses() -> list[str]:
    """Of all processes, by rank."""
    return os.environ[ADDRESSES].split(",")


def main() -> None:
    """Start the processes and wait for them; none outlives this one."""
    shared = os.environ | {ADDRESSES: ",".join(f"{LOOPBACK}:{port}" for port in free_ports(PROCESSES))}
    running: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(PROCESSES):
            command, environment = [sys.executable, "-m", sys.argv[1]], shared | {"RANK": str(rank)}
            running.append(subprocess.Popen(command, env=environment, preexec_fn=ending_with_us()))
        for process in running:
            process.wait()
    finally:
        for process in running:
            end(process)


if __name__ == "__main__":
    main()
