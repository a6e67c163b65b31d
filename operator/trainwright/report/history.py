"""The series of a step's training, read from its history."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trainwright.report.files import number

FIELDS = ("loss", "validationLoss", "accuracy", "learningRate", "samplesPerSecond", "memoryBytes", "gpuMemoryBytes")
MOST_RECORDS = 2_000_000

Point = tuple[float, float | None]
"""An optimizer step and the value there; None for one that was no number."""


@dataclass(frozen=True)
class History:
    """What the records of a step's training tell.

    Attributes:
        series: by field, its points in the order of the records.
        epochs: of every record of an epoch, its optimizer step and the numbers in it.
        unreadable: lines that hold no record.
    """

    series: dict[str, list[Point]] = field(default_factory=dict)
    epochs: list[dict[str, float]] = field(default_factory=list)
    unreadable: int = 0

    @property
    def last_step(self) -> int:
        """The last optimizer step; 0 when there is none."""
        return int(max((points[-1][0] for points in self.series.values()), default=0))


def read_history(records: Iterable[dict[str, Any] | None]) -> History:
    """The history that the records make."""
    series: dict[str, list[Point]] = {name: [] for name in FIELDS}
    epochs: list[dict[str, float]] = []
    unreadable = 0
    for index, record in enumerate(records):
        step = number(record.get("step")) if record else None
        if record is None or step is None or step < 0 or index >= MOST_RECORDS:
            unreadable += 1
            continue
        for name in FIELDS:
            if name in record:
                series[name].append((step, number(record[name])))
        if number(record.get("epoch")) is not None:
            epochs.append({name: value for name in record if (value := number(record[name])) is not None})
    return History({name: points for name, points in series.items() if points}, epochs, unreadable)
