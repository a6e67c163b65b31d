"""Which groups change their size in place, and within which bounds: the others are made anew with their new size."""

from dataclasses import dataclass
from typing import Any, Self

from trainwright.api import GROUP
from trainwright.api.job import TrainingJob
from trainwright.api.steps import Step

ELASTIC_LABEL = f"{GROUP}/elastic"
"""On a child Job that may be resized in place: the bounds that its pods were told, which can't be changed any more."""


@dataclass(frozen=True)
class Bounds:
    """The fewest and the most workers that a group was made for."""

    fewest: int
    most: int

    def __contains__(self, size: int) -> bool:
        return self.fewest <= size <= self.most

    def __str__(self) -> str:
        return f"{self.fewest}-{self.most}"

    @classmethod
    def read(cls, metadata: dict[str, Any]) -> Self | None:
        """The bounds of the child Job with this metadata; none when it can't be resized in place."""
        fewest, dash, most = metadata.get("labels", {}).get(ELASTIC_LABEL, "").partition("-")
        return cls(int(fewest), int(most)) if dash and fewest.isdecimal() and most.isdecimal() else None


def bounds_of(job: TrainingJob, step: Step) -> Bounds | None:
    """The bounds of an elastic group; none where a resize makes the group anew.

    Only PyTorch's trainer forms its group anew in mid-training. A program of the user's own may rely on WORLD_SIZE, and
    gangs and queues have reckoned with the size that a group was made with.
    """
    workers, scheduling = job.spec.workers, job.spec.scheduling
    ours = step.distributed and step.run is None and job.spec.framework == "pytorch"
    if not ours or scheduling.queue_name or scheduling.gang != "none":
        return None
    if workers.min_replicas is None or workers.max_replicas is None:
        return None
    return Bounds(workers.min_replicas, workers.max_replicas)
