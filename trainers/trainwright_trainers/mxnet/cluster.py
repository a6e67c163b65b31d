"""DMLC_* as the trainer reads them: where the group's key-value store is, and for how many processes."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.api.contract import INDEX_VARIABLE
from trainwright_trainers.runtime.errors import ConfigurationError


@dataclass(frozen=True)
class Cluster:
    """A group of processes and its key-value store."""

    host: str
    """The first pod's, where the scheduler runs."""
    port: int
    """The scheduler's."""
    workers: int
    """Processes that train, of all pods together."""
    pod: int
    """This pod's index."""
    servers: int
    """How many pods, from the first on, have a server of the store."""

    @property
    def roles(self) -> dict[str, str]:
        """What this pod has of the store: its name in messages -> DMLC_ROLE. A process alone needs none."""
        if self.workers < 2 or self.pod >= self.servers:
            return {}
        server = f"server {self.pod}" if self.servers > 1 else "server"
        return {"scheduler": "scheduler", server: "server"} if self.pod == 0 else {server: "server"}

    @property
    def board(self) -> tuple[str, int]:
        """Where the first pod tells the workers who is lost: beside the scheduler."""
        return self.host, self.port + 1


def cluster_of(environment: Mapping[str, str]) -> Cluster:
    """The group that DMLC_* describe; one process alone where they are not set.

    Raises:
        ConfigurationError: a number is none.
    """
    try:
        return Cluster(
            environment.get("DMLC_PS_ROOT_URI", "127.0.0.1"),
            int(environment.get("DMLC_PS_ROOT_PORT", "0")),
            int(environment.get("DMLC_NUM_WORKER", "1")),
            int(environment.get(INDEX_VARIABLE, "0")),
            int(environment.get("DMLC_NUM_SERVER", "1")),
        )
    except ValueError as error:
        raise ConfigurationError(
            f"DMLC_PS_ROOT_PORT, DMLC_NUM_WORKER and DMLC_NUM_SERVER must be numbers: {error}"
        ) from error
