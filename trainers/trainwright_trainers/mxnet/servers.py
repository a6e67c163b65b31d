"""The scheduler and the server of the group's key-value store: processes beside the workers of the first pod.

They live exactly as long as that pod's workers. As pods of their own they would be asked to stop together with the
workers, who need them for their last checkpoint; and when one ends, all must.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trainwright_trainers.mxnet.board import BoardServer
from trainwright_trainers.mxnet.cluster import Cluster
from trainwright_trainers.runtime.faults import fault_of_exit
from trainwright_trainers.runtime.group import PARENT_VARIABLE
from trainwright_trainers.runtime.launching import LAST_WORDS_SECONDS

ROLES = ("scheduler", "server")
PROGRAM = "trainwright_trainers.mxnet.server"


@contextmanager
def serving(cluster: Cluster) -> Iterator[None]:
    """Run scheduler, server and board in the first pod of a group; a worker that trains alone needs none."""
    if cluster.workers < 2 or not cluster.first:
        yield
        return
    with BoardServer(cluster.board) as board:
        processes = {role: _start(role) for role in ROLES}
        for role, process in processes.items():
            threading.Thread(target=_watch, args=(role, process, board), daemon=True).start()
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


def _watch(role: str, process: "subprocess.Popen[bytes]", board: BoardServer) -> None:
    """Tell all workers when the process ends: their next push would never be answered."""
    fault = fault_of_exit(process.wait(), rank=0)
    how = fault.message.removeprefix("rank 0 ")
    board.tell(fault.model_copy(update={"message": f"the key-value store's {role} {how}", "rank": None}))
