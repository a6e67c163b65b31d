"""How one replica of the operator is set up."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from trainwright.api.base import Model
from trainwright.api.job import Framework
from trainwright.api.loading import ManifestError, read_manifests
from trainwright.api.problems import format_path, show


class OperatorConfig(Model):
    """The operator's configuration file."""

    images: Mapping[Framework, str] = {}
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
    """The configuration in a YAML file.

    Raises:
        ManifestError: the file can't be read, or says what the operator doesn't know; the error names every mistake.
    """
    body, *_ = read_manifests(path)
    try:
        return OperatorConfig.model_validate(body)
    except ValidationError as error:
        mistakes = [_explain(details) for details in error.errors(include_url=False)]
        raise ManifestError("\n".join(f"{path}: {mistake}" for mistake in mistakes)) from None


def _explain(details: ErrorDetails) -> str:
    place = format_path([part for part in details["loc"] if part != "[key]"])
    if details["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in OperatorConfig.model_fields.items()]
        return f"{place}: there is no such field; expected one of {', '.join(known)}"
    return f"{place}: got {show(details['input'])}; {details['msg'][0].lower()}{details['msg'][1:]}"
