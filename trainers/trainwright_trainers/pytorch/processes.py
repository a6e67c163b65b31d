"""The group of processes that train together."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from trainwright_trainers.runtime.errors import ConfigurationError

TIMEOUT = timedelta(minutes=5)
"""How long a process waits for the others before it takes them for lost."""


@dataclass(frozen=True)
class Processes:
    """This process' place among those that train together.

    `gather` and `synchronize` are collective: all processes must call them in the same order.
    """

    rank: int
    size: int
    device: torch.device

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
def joined(processes: Processes) -> Iterator[None]:
    """Be connected with the other processes: NCCL between GPUs, gloo for tensors of the CPU."""
    if processes.size == 1:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if processes.device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=TIMEOUT)
    yield
    # Not after an error, when it may wait for processes that are gone. A model wrapped for distributed training must
    # be gone before its process group, or the process may abort.
    gc.collect()
    dist.destroy_process_group()


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
