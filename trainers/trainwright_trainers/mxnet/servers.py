"""The scheduler and the servers of the group's key-value store: processes beside the workers of the first pods.

They live as long as the workers. As pods of their own they would be asked to stop together with the workers, who
need them for their last checkpoint; and when one ends, all must.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trainwright_trainers.mxnet.board import BoardServer, DistantBoard
from trainwright_trainers.mxnet.cluster import Cluster
from trainwright_trainers.runtime.faults import fault_of_exit
from trainwright_trainers.runtime.group import PARENT_VARIABLE
from trainwright_trainers.runtime.launching import LAST_WORDS_SECONDS

PROGRAM = "trainwright_trainers.mxnet.server"


@contextmanager
def serving(cluster: Cluster) -> Iterator[None]:
    """Run what this pod has of the store, as long as any worker of the group may need it; the first has the board."""
    if not cluster.roles:
        yield
        return
    with BoardServer(cluster.board) if cluster.pod == 0 else DistantBoard(cluster.board) as board:
        processes = {name: _start(role) for name, role in cluster.roles.items()}
        for name, process in processes.items():
            threading.Thread(target=_watch, args=(name, process, board), daemon=True).start()
        try:
            yield
            board.drain(LAST_WORDS_SECONDS)
        finally:
            board.close()
            for process in processes.values():
                process.kill()
                process.wait()


def _start(role: str) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"DMLC_ROLE": role, PARENT_VARIABLE: str(os.getpid())}
    return subprocess.Popen([sys.executable, "-m", PROGRAM], env=environment)


def _watch(name: str, process: "subprocess.Popen[bytes]", board: BoardServer | DistantBoard) -> None:
    """Tell all workers when the process ends: their next push would never be answered."""
    fault = fault_of_exit(process.wait(), rank=0)
    how = fault.message.removeprefix("rank 0 ")
    board.tell(fault.model_copy(update={"message": f"the key-value store's {name} {how}", "rank": None}))
