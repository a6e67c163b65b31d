"""How one replica of the operator is set up."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from trainwright.api.base import Model
from trainwright.api.loading import read_manifests


class OperatorConfig(Model):
    """The operator's configuration file."""

    images: Mapping[str, str] = {}
    """The trainers' image by framework, for jobs that name none."""

    network_policies: bool = True
    """Whether each job gets a NetworkPolicy by which its pods reach each other and DNS, and nothing else."""


class OperatorOptions(Model):
    """One replica's options."""

    namespaces: tuple[str, ...] = ()
    """Namespaces whose jobs it cares for; all when empty."""

    workers: int = Field(default=16, ge=1)
    """Passes that may run at the same time."""

    lease_namespace: str = "default"
    """Where the Lease is that the replicas elect their leader by."""

    lease_name: str = "trainwright-operator"
    """Name of that Lease."""

    health_port: int = 8080
    """Port of /livez and /readyz."""

    metrics_port: int = 8081
    """Port of /metrics."""

    metrics_jobs: int = Field(default=1000, ge=0)
    """Jobs that have series of their own at /metrics."""

    identity: str
    """This replica's name, in the Lease and in events. No other process may run under it at the same time."""

    config: OperatorConfig = OperatorConfig()
    """What the configuration file says."""


def read_config(path: Path) -> OperatorConfig:
    """The configuration in a YAML file."""
    bodies = list(read_manifests(path))
    return OperatorConfig.model_validate(bodies[0] if bodies else {})
