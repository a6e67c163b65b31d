"""What a layout is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainwright_trainers.chain.source import Converted


@dataclass(frozen=True)
class Delivery:
    """A converted model, and where it goes."""

    name: str
    """What the model is called: as the job."""
    namespace: str
    """The job's namespace."""
    uri: str
    """Where the cluster finds the directory later."""
    model: Converted


Layout = Callable[[Path, Delivery], None]
"""(directory that holds just what the converter wrote, what it is) -> lays the directory out."""
