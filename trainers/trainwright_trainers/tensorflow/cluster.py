"""TF_CONFIG as the trainer reads it: the pods that train together, and the processes in each of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.api.contract import PROCESSES_VARIABLE
from trainwright_trainers.runtime.errors import ConfigurationError

VARIABLE = "TF_CONFIG"


@dataclass(frozen=True)
class Cluster:
    """Where the processes of a group listen, by rank."""

    processes: tuple[str, ...]
    """`host:port` of each."""

    @property
    def first_host(self) -> str:
        """The host that all processes meet at."""
        return self.processes[0].rpartition(":")[0]

    def configuration_of(self, rank: int) -> str:
        """TF_CONFIG as the process of that rank has it."""
        return json.dumps({"cluster": {"worker": self.processes}, "task": {"type": "worker", "index": rank}})


def cluster_of(environment: Mapping[str, str]) -> Cluster:
    """The group that TF_CONFIG describes; one process alone where it is not set.

    TF_CONFIG has one address a pod. Where a pod has several processes, each listens on the next port after the one
    before it.

    Raises:
        ConfigurationError: it is not a cluster of workers.
    """
    written = environment.get(VARIABLE)
    if not written:
        return Cluster(("127.0.0.1:0",))
    try:
        workers = [address.rpartition(":") for address in json.loads(written)["cluster"]["worker"]]
        count = int(environment.get(PROCESSES_VARIABLE, "1"))
        return Cluster(tuple(f"{host}:{int(port) + local}" for host, _, port in workers for local in range(count)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{VARIABLE} must describe a cluster of workers, it is {written[:200]!r}") from error
