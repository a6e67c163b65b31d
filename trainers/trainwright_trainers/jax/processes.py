"""The group of processes that train together, and the mesh of all their devices."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from trainwright_trainers.data import Array
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.group import GROUP_VARIABLE, GroupDirectory

AXIS = "data"
"""The mesh's axis that a batch is spread over."""
MODEL = "model"
"""The mesh's axis that a model's weights are split along, where its own rules say so."""
MEETING_SECONDS = 300
"""How long a process waits for the others to come."""
HEARTBEAT_SECONDS = 10
"""After how long without a sign of life a process is taken for lost."""


@dataclass(frozen=True)
class Processes:
    """This process' place among those that train together, and the devices of all.

    `gather` is collective: all processes must call it in the same order.
    """

    rank: int
    size: int
    mesh: Mesh

    @property
    def first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    @property
    def shares(self) -> int:
        """Parts that a batch is spread over: one for each device, or for each group of them that holds one model."""
        return self.mesh.shape[AXIS]

    @cached_property
    def own_shares(self) -> list[int]:
        """Which of these parts this process' devices compute on."""
        rows = enumerate(self.mesh.devices)
        return [place for place, row in rows if any(device.process_index == self.rank for device in row)]

    @property
    def split(self) -> bool:
        """Whether several devices hold one model together."""
        return self.mesh.shape[MODEL] > 1

    @cached_property
    def replicated(self) -> NamedSharding:
        """For what is the same on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @cached_property
    def spread(self) -> NamedSharding:
        """For what has a first dimension with one entry for each share."""
        return NamedSharding(self.mesh, PartitionSpec(AXIS))

    def together(self, devices: int, field: str) -> "Processes":
        """The same, with so many devices side by side that hold one model together.

        Raises:
            ConfigurationError: the group's devices can't be divided into such groups.
        """
        if self.mesh.size % devices:
            raise ConfigurationError(
                f"{field}: {devices} devices can't hold a model together where there are {self.mesh.size}; the number"
                " of all devices must be a multiple"
            )
        return replace(self, mesh=Mesh(self.mesh.devices.reshape(-1, devices), (AXIS, MODEL)))

    def replicate(self, tree: Any) -> Any:
        """The tree of arrays, the same in every process, on all devices."""
        return place(tree, jax.tree.map(lambda _: self.replicated, tree))

    def spread_rows(self, own: Array) -> jax.Array:
        """This process' entries of an array with a first dimension of shares, as the array of all."""
        entries = {share: own[place : place + 1] for place, share in enumerate(self.own_shares)}

        def entry(index: Any) -> Array:
            return entries[index[0].start or 0]

        # By far the quickest of JAX's ways to make such an array.
        return jax.make_array_from_callback((self.shares, *own.shape[1:]), self.spread, entry)

    def whole(self, tree: Any) -> Any:
        """The tree of arrays with all of each on every device; collective where models are split."""
        if not self.split:
            return tree
        return jax.jit(lambda arrays: arrays, out_shardings=self.replicated)(tree)

    def gather(self, row: Array) -> Array:
        """The rows of all processes, by rank: [n] float64, as long in every process -> [processes, n]."""
        if self.size == 1:
            return row[None]
        bits = row.astype(np.float64).view(np.uint32)[None]
        rows = jax.make_array_from_callback((self.size, bits.size), self._rows, lambda _: bits)
        return np.asarray(self._everywhere(rows)).view(np.float64)

    @cached_property
    def _rows(self) -> NamedSharding:
        """For what has a first dimension with one entry for each process, which is on all of its devices."""
        devices = np.array(jax.devices()).reshape(self.size, -1)
        return NamedSharding(Mesh(devices, ("process", "device")), PartitionSpec("process"))

    @cached_property
    def _everywhere(self) -> Callable[[jax.Array], jax.Array]:
        """Puts all of such an array on every device; compiled once, where multihost_utils does it at each call."""
        return jax.jit(lambda rows: rows, out_shardings=NamedSharding(self._rows.mesh, PartitionSpec()))


def place(tree: Any, shardings: Any) -> Any:
    """The tree of arrays, the same in every process, on the devices as a tree of shardings says."""

    def one(value: Any, sharding: NamedSharding) -> jax.Array:
        array = np.asarray(value)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(one, tree, shardings)


def local(tree: Any) -> Any:
    """A replicated tree as arrays on this process' first device."""
    return jax.tree.map(lambda value: value.addressable_data(0), tree)


def meet() -> Processes:
    """Be connected with the other processes, by NCCL between GPUs and gloo between CPUs; alone when there are none.

    JAX must know the others before its first computation.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        # Requests to stop reach the pod's entry point, which has its own way to tell the workers.
        jax.config.update("jax_enable_preemption_service", False)
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        several = int(os.environ["LOCAL_WORLD_SIZE"]) > 1
        jax.distributed.initialize(
            os.environ["JAX_COORDINATOR_ADDRESS"],
            size,
            rank,
            local_device_ids=[int(os.environ["LOCAL_RANK"])] if several else None,
            cluster_detection_method="deactivate",
            initialization_timeout=MEETING_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    if GROUP_VARIABLE in os.environ:
        GroupDirectory(Path(os.environ[GROUP_VARIABLE])).meet(rank)
    return Processes(rank, size, Mesh(np.array(jax.devices())[:, None], (AXIS, MODEL)))


def part() -> None:
    """End the connection, with all processes: from then on one may end without the others' noticing; collective."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


PEER_LOST = (
    *("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused", "Gloo"),
    *("gloo/transport/", "NCCL", "coordination service", "CoordinationService", "heartbeat", "DEADLINE_EXCEEDED"),
)
"""What JAX's errors say when another process is gone."""


def lost_peer(error: Exception) -> bool:
    """Whether an error only says that another process is gone."""
    return isinstance(error, jax.errors.JaxRuntimeError) and any(words in str(error) for words in PEER_LOST)


def gpu_memory() -> int | None:
    """Bytes that this process holds of its GPUs; None without them."""
    found = [device.memory_stats() for device in jax.local_devices() if device.platform == "gpu"]
    return sum(stats["bytes_in_use"] for stats in found if stats) if found else None
