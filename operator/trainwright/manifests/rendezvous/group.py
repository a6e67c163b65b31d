"""The group of workers that a rendezvous is made for."""

from dataclasses import dataclass

from trainwright.api.contract import INDEX_VARIABLE
from trainwright.manifests.elasticity import Bounds
from trainwright.manifests.site import Endpoint

INDEX = f"$({INDEX_VARIABLE})"
"""The index, as a later variable's value refers to it: Kubernetes puts the number there when the pod starts."""


@dataclass(frozen=True)
class Task:
    """What one worker is among the others, in TensorFlow's or MXNet's words."""

    role: str
    number: int


@dataclass(frozen=True)
class Group:
    """Workers and their processes.

    Attributes:
        endpoints: where each worker listens, by index.
        processes: how many processes each worker has.
        bounds: the sizes that the group may take on while it runs; none when it keeps its size.
        tasks: what each worker is, by index, where they are not all alike.
        servers: on how many workers, from the first on, a server of MXNet's key-value store runs.
    """

    endpoints: tuple[Endpoint, ...]
    processes: int
    bounds: Bounds | None = None
    tasks: tuple[Task, ...] = ()
    servers: int = 1

    @property
    def world_size(self) -> int:
        """Processes of all workers together."""
        return len(self.endpoints) * self.processes

    def of_role(self, role: str) -> tuple[Endpoint, ...]:
        """Where those listen that are of a role."""
        return tuple(endpoint for task, endpoint in zip(self.tasks, self.endpoints, strict=True) if task.role == role)
