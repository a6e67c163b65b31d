"""Live figures of a step, served to Prometheus and to the operator by the process of rank 0."""

import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from trainwright.api.contract import METRICS_PORT_VARIABLE, LostTime
from trainwright.api.figures import FIGURES, LABELS, LOST_MEANING, LOST_SECONDS, PREFIX
from trainwright_trainers.runtime.logs import LOG

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily


STATM = Path("/proc/self/statm")
"""Where Linux tells the memory of this process, in pages: all of it, then what is resident."""


class Figures(TypedDict, total=False):
    """What a step can report; `trainwright.api.figures` says what each means."""

    step: float
    epoch: float
    loss: float
    accuracy: float
    learning_rate: float
    samples_per_second: float
    progress_ratio: float
    eta_seconds: float
    step_seconds: float
    data_wait_seconds: float
    checkpoint_seconds: float
    checkpoint_bytes: float
    gradient_norm: float
    gpu_memory_bytes: float
    gpu_utilization_ratio: float
    process_memory_bytes: float


class Progress:
    """The newest figures of a step.

    `update` only stores numbers; the text is made when it is scraped. Only the process that serves is read, so
    that others may update theirs without a thought.

    Args:
        labels: the values of the labels of every figure, see `trainwright.api.figures`.

    Attributes:
        lost: the time in which nothing was gained, once it is counted.
    """

    def __init__(self, labels: Sequence[str] = ("", "", "", "")) -> None:
        self._labels = labels
        self._figures: Figures = {}
        self._gauge: Callable[[], Figures] = Figures
        self.lost: LostTime | None = None

    def update(self, **figures: Unpack[Figures]) -> None:
        """Replace the given figures; the others keep their value."""
        self._figures.update(figures)

    def watch(self, gauge: Callable[[], Figures]) -> None:
        """Have further figures measured at each scrape; called from another thread."""
        self._gauge = gauge

    @property
    def step(self) -> int | None:
        """Optimizer steps done, once there was one."""
        step = self._figures.get("step")
        return None if step is None else int(step)

    def serve_where_asked(self) -> None:
        """Serve /metrics on the port that the operator asked for, if any, until the process ends.

        It is begun in the background; a port that is taken is said and doesn't end the step.
        """
        port = os.environ.get(METRICS_PORT_VARIABLE)
        if port:
            threading.Thread(target=self._serve, args=(int(port),), name="metrics", daemon=True).start()

    def _serve(self, port: int) -> None:
        from prometheus_client import CollectorRegistry, start_http_server  # slow to import

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        try:
            start_http_server(port, registry=registry)
        except OSError as error:
            LOG.warning("no metrics: port %d can't be served: %s", port, error)

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """The figures as Prometheus metrics; prometheus_client calls this at a scrape."""
        from prometheus_client.core import GaugeMetricFamily

        figures: Figures = {**self._figures, **self._gauge(), "process_memory_bytes": memory_bytes()}
        for name, documentation in FIGURES.items():
            value = figures.get(name)
            if isinstance(value, int | float):
                family = GaugeMetricFamily(f"{PREFIX}{name}", documentation, labels=LABELS)
                family.add_metric(self._labels, value)
                yield family
        if self.lost is not None:
            family = GaugeMetricFamily(f"{PREFIX}{LOST_SECONDS}", LOST_MEANING, labels=(*LABELS, "cause"))
            for cause, seconds in self.lost.model_dump().items():
                family.add_metric((*self._labels, cause), seconds)
            yield family


def memory_bytes() -> int:
    """Resident memory of this process now; the largest so far where the system doesn't tell."""
    try:
        resident_pages = int(STATM.read_text().split()[1])
    except OSError:
        return peak_memory_bytes()
    return resident_pages * resource.getpagesize()


def peak_memory_bytes() -> int:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
