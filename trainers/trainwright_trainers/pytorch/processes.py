"""The group of processes that train together."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore, TCPStore

from trainwright.api.steps import Collectives
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.group import leave_hung
from trainwright_trainers.runtime.watch import Hang, Watch

LATER = timedelta(minutes=1)
"""How much later than the watch torch itself ends a wait: by then the watch has told which process hangs."""
STORE_TIMEOUT = timedelta(seconds=20)
"""How long the watch waits for the group's store."""


@dataclass(frozen=True)
class Processes:
    """This process' place among those that train together.

    `gather` and `synchronize` are collective: all processes must call them in the same order.
    """

    rank: int
    size: int
    device: torch.device
    watch: Watch = field(default_factory=Watch)
    """Told whenever this process gets on."""

    @property
    def first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    def gather(self, row: Tensor) -> Tensor:
        """The rows of all processes, by rank: a CPU tensor [n], as long in every process -> [processes, n]."""
        if self.size == 1:
            return row.unsqueeze(0)
        rows = [torch.empty_like(row) for _ in range(self.size)]
        dist.all_gather(rows, row)
        return torch.stack(rows)

    def synchronize(self, tensors: Iterator[Tensor]) -> None:
        """Make the tensors the same as the first process' in all."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)


def this_process() -> Processes:
    """This process' place, from the variables that torchrun sets; alone when they are missing.

    Raises:
        ConfigurationError: the pod has GPUs, but fewer than processes.
    """
    return Processes(
        rank=int(os.environ.get("RANK", "0")),
        size=int(os.environ.get("WORLD_SIZE", "1")),
        device=_own_device(int(os.environ.get("LOCAL_RANK", "0"))),
    )


def gpu_memory(device: torch.device) -> int | None:
    """Bytes that tensors hold on a device; None where it is no GPU."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else None


def _own_device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise ConfigurationError(
            f"spec.workers.processesPerWorker: process {local_rank + 1} of a pod has no GPU of its own; the pod has"
            f" {torch.cuda.device_count()}"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


@contextmanager
def joined(processes: Processes, options: Collectives) -> Iterator[None]:
    """Be connected with the other processes: NCCL between GPUs, gloo for tensors of the CPU."""
    if processes.size == 1:
        yield
        return
    os.environ.update({variable.name: variable.value for variable in options.nccl})
    backend = "cpu:gloo,cuda:nccl" if processes.device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(seconds=options.timeout_seconds) + LATER)
    yield
    # Not after an error, when it may wait for processes that are gone. A model wrapped for distributed training must
    # be gone before its process group, or the process may abort.
    gc.collect()
    dist.destroy_process_group()


@contextmanager
def watched(processes: Processes, options: Collectives, step: StepContext) -> Iterator[None]:
    """Between these processes, end this one when the group makes no progress; its result tells which one hangs."""
    if processes.size == 1:
        yield
        return

    def end(hang: Hang) -> None:
        leave_hung(hang, options.timeout_seconds, step)

    processes.watch.begin(StoreBoard(processes.size), processes.rank, options.timeout_seconds, end)
    try:
        yield
    finally:
        processes.watch.end()


class StoreBoard:
    """The group's signs of life in the key-value store that its rendezvous used; a connection of its own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._store: PrefixStore | None = None

    def write(self, rank: int, line: str) -> None:
        """Replace the line of a process."""
        self._connection().set(str(rank), line)

    def read(self) -> dict[int, str]:
        """The lines by rank, of those that have left one."""
        store = self._connection()
        return {rank: store.get(str(rank)).decode() for rank in range(self._size) if store.check([str(rank)])}

    def _connection(self) -> PrefixStore:
        if self._store is None:
            host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            store = TCPStore(host, port, is_master=False, timeout=STORE_TIMEOUT)
            self._store = PrefixStore("trainwright/watch", store)
        return self._store


PEER_LOST = (
    *("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused"),
    *("gloo/transport/", "NCCL error", "ncclRemoteError", "recvValue failed", "failed to recv"),
)
"""What torch's errors say when another process is gone."""


def lost_peer(error: BaseException) -> bool:
    """Whether an error only says that another process is gone."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in PEER_LOST)
    )
