"""DMLC_* as the trainer reads them: where the group's key-value store is, and for how many processes."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.api.contract import INDEX_VARIABLE
from trainwright_trainers.runtime.errors import ConfigurationError


@dataclass(frozen=True)
class Cluster:
    """A group of processes and its key-value store."""

    host: str
    """The first pod's, where the scheduler and the server run."""
    port: int
    """The scheduler's."""
    workers: int
    """Processes that train, of all pods together."""
    first: bool
    """Whether this is the first pod."""

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
            environment.get(INDEX_VARIABLE, "0") == "0",
        )
    except ValueError as error:
        raise ConfigurationError(f"DMLC_PS_ROOT_PORT and DMLC_NUM_WORKER must be numbers: {error}") from error
