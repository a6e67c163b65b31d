"""Every metric that the operator and the trainers serve, read from the code that serves it."""

from collections.abc import Iterator
from dataclasses import dataclass

from trainwright.api.figures import FIGURES, LABELS, LOST_MEANING, LOST_SECONDS, PREFIX
from trainwright.metrics.jobs import FAMILIES
from trainwright.metrics.operator import OperatorMetrics

OURS = "trainwright_"

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}
"""What the series of each type of metric end in."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: without what the series of its type end in.
        kind: counter, gauge, histogram or info.
        labels: their names.
        meaning: what it measures.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query finds it by."""
        return tuple(self.name + suffix for suffix in _SUFFIXES[self.kind])


def operator_metrics() -> Iterator[Metric]:
    """What a replica tells of itself, and counts of jobs."""
    metrics = OperatorMetrics()
    metrics.watch_replica(lambda: False, lambda: 0)
    for collector in list(metrics.registry._collector_to_names):
        labels = getattr(collector, "_labelnames", ())
        for family in collector.describe() if hasattr(collector, "describe") else ():
            if family.name.startswith(OURS):
                labels = ("version",) if family.type == "info" else tuple(labels)
                yield Metric(family.name, family.type, labels, family.documentation)


def job_metrics() -> Iterator[Metric]:
    """The leader's figures of every job."""
    for name, (meaning, labels) in FAMILIES.items():
        yield Metric(name, "gauge", tuple(labels), meaning)


def trainer_metrics() -> Iterator[Metric]:
    """What rank 0 of a step serves."""
    for name, meaning in FIGURES.items():
        yield Metric(PREFIX + name, "gauge", LABELS, meaning)
    yield Metric(PREFIX + LOST_SECONDS, "gauge", (*LABELS, "cause"), LOST_MEANING)


def all_series() -> set[str]:
    """The name of every series there can be."""
    return {
        name
        for metrics in (operator_metrics(), job_metrics(), trainer_metrics())
        for one in metrics
        for name in one.series
    }
