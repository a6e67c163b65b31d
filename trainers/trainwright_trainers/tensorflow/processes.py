"""The group of processes that train together, and the strategy that spreads a model over all their devices."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainwright.api.steps import Collectives
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.runtime.group import GROUP_VARIABLE, GroupDirectory
from trainwright_trainers.runtime.watch import Watch
from trainwright_trainers.tensorflow.cluster import VARIABLE, cluster_of


@dataclass(frozen=True)
class Processes:
    """This process' place among those that train together.

    `gather` is collective: all processes must call it in the same order.
    """

    rank: int
    size: int
    strategy: Any
    """The tf.distribute.Strategy: variables that are made in its scope are the same on all devices."""
    communication: Any
    """The tf.distribute.experimental.CommunicationOptions of what is reduced over all devices."""
    watch: Watch = field(default_factory=Watch)
    """Told whenever this process gets on."""

    @property
    def first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    @property
    def replicas(self) -> int:
        """Devices of all processes together; each holds a copy of the model."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def own_replicas(self) -> list[int]:
        """Places of this process' devices among all."""
        own = self.replicas // self.size
        return list(range(self.rank * own, (self.rank + 1) * own))

    def place(self, rows: Sequence[Any]) -> Any:
        """One row a device -> a value for each of this process' devices, as `strategy.run` takes it."""
        if len(rows) == 1:
            return rows[0]
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.convert_to_tensor(rows[context.replica_id_in_sync_group % len(rows)])
        )

    def gather(self, row: Array) -> Array:
        """The rows of all processes, by rank: [n] float64, as long in every process -> [processes, n]."""
        self.watch.beat()
        if self.size == 1:
            return row[None]
        rows = np.zeros((len(self.own_replicas), self.size, len(row)))
        rows[0, self.rank] = row
        return np.asarray(self._sum(self.place(list(rows))))

    @tf.function(reduce_retracing=True)
    def _sum(self, rows: Any) -> Any:
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(tf.identity, args=(rows,)), axis=None)


def meet(options: Collectives) -> Processes:
    """Be connected with the other processes, by NCCL between GPUs and by rings between CPUs; alone when there are none.

    TensorFlow must know the others before its first computation.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    os.environ.update({variable.name: variable.value for variable in options.nccl})
    use_threads(usable_threads())
    gpus = _own_gpus()
    kinds = tf.distribute.experimental.CommunicationImplementation
    # Without a timeout, for which TensorFlow would keep a thread sleeping for each collective; `watch` looks after it.
    communication = tf.distribute.experimental.CommunicationOptions(implementation=kinds.NCCL if gpus else kinds.RING)
    if size > 1:
        os.environ[VARIABLE] = cluster_of(os.environ).configuration_of(rank)
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=communication)
    else:
        strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
    processes = Processes(rank, size, strategy, communication)
    processes.gather(np.zeros(1))  # all are there
    if GROUP_VARIABLE in os.environ:
        GroupDirectory(Path(os.environ[GROUP_VARIABLE])).meet(rank)
    return processes


def alone() -> Processes:
    """This process by itself, on its GPU where there is one."""
    use_threads(usable_threads())
    return Processes(0, 1, tf.distribute.get_strategy(), tf.distribute.experimental.CommunicationOptions())


def use_threads(count: int) -> None:
    """Let an operation use so many threads; TensorFlow takes all CPUs of the machine else.

    After the first operation of the process it can't be changed any more, and stays as it is.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)


def _own_gpus() -> list[Any]:
    """This process' GPUs: all that the pod has, or one where it has several processes."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1:
        gpus = [gpus[int(os.environ["LOCAL_RANK"]) % len(gpus)]]
        tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return list(gpus)


PEER_LOST = (
    *("Connection reset by peer", "Connection refused", "Broken pipe", "Socket closed", "failed to connect"),
    *("unhealthy", "Collective ops is aborted", "CoordinationService", "heartbeat", "NCCL"),
)
"""What TensorFlow's errors say when another process is gone."""


def lost_peer(error: Exception) -> bool:
    """Whether an error only says that another process is gone."""
    if isinstance(error, tf.errors.UnavailableError | tf.errors.DeadlineExceededError):
        return True
    return isinstance(error, tf.errors.OpError) and any(words in str(error) for words in PEER_LOST)


def gpu_memory() -> int | None:
    """Bytes that this process holds of its GPUs; None without them."""
    gpus = tf.config.list_logical_devices("GPU")
    return sum(tf.config.experimental.get_memory_info(gpu.name)["current"] for gpu in gpus) if gpus else None
