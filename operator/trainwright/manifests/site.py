"""Where a job runs: all that differs between a cluster and one machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from trainwright.api.job import Framework, TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.names import child_name, service_name

RENDEZVOUS_PORTS = {"pytorch": 29500, "tensorflow": 2222, "jax": 6666, "mxnet": 9091}
"""The ports that Kubeflow's operators use, by framework."""

METRICS_PORT = 9464
"""Port of rank 0's /metrics in a pod; the one that OpenTelemetry's Prometheus exporters use."""


@dataclass(frozen=True)
class Endpoint:
    """Where a worker listens for its peers."""

    host: str
    port: int


class Site(Protocol):
    """A place that child objects are made for."""

    @property
    def root(self) -> str:
        """Where the job's storage is mounted."""

    @property
    def isolated(self) -> bool:
        """Whether each job's network is closed to others."""

    @property
    def enforces_limits(self) -> bool:
        """Whether a container gets no more than its limits say."""

    def image(self, framework: Framework) -> str:
        """The trainers' image for a framework."""

    def endpoint(self, job: TrainingJob, step: Step, index: int) -> Endpoint:
        """Where the worker of this index listens for its peers."""

    def metrics_port(self, job: TrainingJob, step: Step) -> int:
        """Where rank 0 serves its metrics."""


@dataclass(frozen=True)
class ClusterSite:
    """Pods on a cluster: they find each other by the names that the headless Service gives them."""

    images: Mapping[Framework, str] = field(default_factory=dict)
    """Image by framework, where it is not the default one."""

    root: str = "/workspace"

    isolated: bool = True
    """Whether each job gets a NetworkPolicy."""

    enforces_limits: bool = True

    def image(self, framework: Framework) -> str:
        """The configured image, else the project's own."""
        return self.images.get(framework, f"trainwright/{framework}:latest")

    def endpoint(self, job: TrainingJob, step: Step, index: int) -> Endpoint:
        """The pod's stable name within its namespace; only the pods of an Indexed Job have one."""
        host = f"{child_name(job, step)}-{index}.{service_name(job)}" if step.distributed else "127.0.0.1"
        return Endpoint(host, RENDEZVOUS_PORTS[job.spec.framework])

    def metrics_port(self, job: TrainingJob, step: Step) -> int:  # noqa: ARG002 - every pod has an address of its own
        """The same port in every pod."""
        return METRICS_PORT
