"""This machine as a place for child objects: one directory for storage, and a free port for each worker."""

from pathlib import Path

from trainwright.api.job import Framework, TrainingJob
from trainwright.api.steps import Step
from trainwright.local.ports import LOOPBACK, free_ports
from trainwright.manifests.environment import processes_per_worker
from trainwright.manifests.site import Endpoint


class LocalSite:
    """Workers share one network here, so each needs a port of its own; it stays the same for the whole run."""

    def __init__(self, directory: Path) -> None:
        """Keeps the job's files below `directory`."""
        self._root = directory
        self._ports: dict[tuple[str, str], list[int]] = {}

    @property
    def root(self) -> str:
        """The directory, in the place of the mounted volume."""
        return str(self._root)

    @property
    def isolated(self) -> bool:
        """Whatever runs here has the user's own network."""
        return False

    @property
    def enforces_limits(self) -> bool:
        """Processes here share the machine."""
        return False

    def image(self, framework: Framework) -> str:
        """No images are used here: the trainers of this installation run."""
        return f"this-installation/{framework}"

    def endpoint(self, job: TrainingJob, step: Step, index: int) -> Endpoint:
        """Where the worker listens for its peers: at this port, and its further processes at those that follow."""
        return Endpoint(LOOPBACK, self._port(step.name, f"worker-{index}", processes_per_worker(job)))

    def metrics_port(self, job: TrainingJob, step: Step) -> int:  # noqa: ARG002 - one job a run
        """Where rank 0 serves its metrics."""
        return self._port(step.name, "metrics")

    def _port(self, step: str, purpose: str, count: int = 1) -> int:
        """The first of `count` ports."""
        if (step, purpose) not in self._ports:
            given = [port for ports in self._ports.values() for port in ports]
            self._ports[step, purpose] = free_ports(count, apart_from=given)
        return self._ports[step, purpose][0]
