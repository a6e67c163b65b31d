"""The group of processes that train together, and the sums that they make over the key-value store."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

from trainwright.api.contract import Fault
from trainwright.api.steps import Collectives
from trainwright_trainers.data import Array
from trainwright_trainers.mxnet.board import Presence, SignBoard
from trainwright_trainers.mxnet.cluster import cluster_of
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.faults import EXIT_ERROR, failure
from trainwright_trainers.runtime.group import GROUP_VARIABLE, GroupDirectory, leave_hung
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.watch import Watch

SMALLEST_DIVIDED = 4096
"""Numbers from which on a message is divided among the store's servers; by MXNet's own bound, a million, a model of
fewer parameters would leave all servers but one idle, since all its gradients are one message."""


@dataclass
class Processes:
    """This process' place among those that train together.

    `sum` and `gather` are collective: all processes must call them in the same order.
    """

    rank: int
    size: int
    device: Any
    """The mxnet.Context that this process computes on."""
    store: Any = None
    """The key-value store, dist_sync; none for a process alone."""
    beat: Callable[[], None] = lambda: None
    """Says that this process got on."""
    part: Callable[[], None] = lambda: None
    """Ends the connection: from then on this process may end without the others' minding."""
    _keys: dict[tuple[str, tuple[int, ...]], str] = field(default_factory=dict)

    @property
    def first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    def sum(self, values: Any) -> Any:
        """The sum of an NDArray over all processes; it has the same shape in each.

        The store's server adds up what all have pushed before it answers anyone.
        """
        self.beat()
        if self.store is None:
            return values
        name = (np.dtype(values.dtype).name, tuple(values.shape))
        if name not in self._keys:
            self._keys[name] = f"{name[0]}-{'x'.join(map(str, name[1]))}"
            self.store.init(self._keys[name], mx.nd.zeros(values.shape, dtype=values.dtype, ctx=self.device))
        total = mx.nd.empty(values.shape, dtype=values.dtype, ctx=self.device)
        self.store.push(self._keys[name], values)
        self.store.pull(self._keys[name], out=total)
        return total

    def gather(self, row: Array) -> Array:
        """The rows of all processes, by rank: [n] float64, as long in every process -> [processes, n]."""
        rows = np.zeros((self.size, len(row)))
        rows[self.rank] = row
        total: Array = self.sum(mx.nd.array(rows, dtype="float64", ctx=self.device)).asnumpy()
        return total


def meet(step: StepContext, options: Collectives) -> Processes:
    """Be connected with the other processes through the key-value store; alone when there are none."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    gpus = mx.context.num_gpus()
    device = mx.gpu(int(os.environ.get("LOCAL_RANK", "0")) % gpus) if gpus else mx.cpu()
    group = GroupDirectory(Path(os.environ[GROUP_VARIABLE])) if GROUP_VARIABLE in os.environ else None
    processes = Processes(rank, size, device)
    if size > 1 and group is not None:
        cluster = cluster_of(os.environ)
        address = cluster.board
        presence = Presence(address, rank, lambda fault: _leave(fault, rank, step, group))
        if cluster.servers > 1:
            os.environ.setdefault("MXNET_KVSTORE_BIGARRAY_BOUND", str(SMALLEST_DIVIDED))
        processes.store = mx.kv.create("dist_sync")
        processes.gather(np.zeros(1))  # all are there
        watch = Watch()
        seconds = options.timeout_seconds
        watch.begin(SignBoard(address), rank, seconds, lambda hang: leave_hung(hang, seconds, step))

        def part() -> None:
            watch.end()
            presence.part()

        processes.beat, processes.part = watch.beat, part
    if group is not None:
        group.meet(rank)
    return processes


def gpu_memory(device: Any) -> int | None:
    """Bytes in use of a GPU, by whomever: MXNet doesn't tell its own; None where the device is no GPU."""
    if device.device_type != "gpu":
        return None
    free, total = mx.context.gpu_memory_info(device.device_id)
    return int(total - free)


def _leave(fault: Fault, rank: int, step: StepContext, group: GroupDirectory) -> None:
    """End this process at once, whatever its main thread waits for; its result tells what is lost."""
    LOG.error("%s", fault.message)
    group.leave(rank, failure(fault.model_copy(update={"rank": rank}), step.progress.step))
    os._exit(EXIT_ERROR)
