"""This machine as a place for child objects: one directory for storage, and a free port for each worker."""

import socket
from pathlib import Path

from trainwright.api.job import Framework, TrainingJob
from trainwright.api.steps import Step
from trainwright.manifests.site import Endpoint

LOOPBACK = "127.0.0.1"


class LocalSite:
    """Workers share one network here, so each needs a port of its own; it stays the same for the whole run."""

    def __init__(self, directory: Path) -> None:
        """Keeps the job's files below `directory`."""
        self._root = directory
        self._ports: dict[tuple[str, str], int] = {}

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

    def endpoint(self, job: TrainingJob, step: Step, index: int) -> Endpoint:  # noqa: ARG002 - one job a run
        """Where the worker listens for its peers."""
        return Endpoint(LOOPBACK, self._port(step.name, f"worker-{index}"))

    def metrics_port(self, job: TrainingJob, step: Step) -> int:  # noqa: ARG002 - one job a run
        """Where rank 0 serves its metrics."""
        return self._port(step.name, "metrics")

    def _port(self, step: str, purpose: str) -> int:
        if (step, purpose) not in self._ports:
            self._ports[step, purpose] = _free_port(set(self._ports.values()))
        return self._ports[step, purpose]


def _free_port(taken: set[int]) -> int:
    """A port that nobody listens on, and that was not given out before."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
