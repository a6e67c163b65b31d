"""Live figures of a step, served to Prometheus and to the operator by the process of rank 0."""

import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from trainwright.api.contract import METRICS_PORT_VARIABLE
from trainwright_trainers.runtime.logs import LOG

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily


STATM = Path("/proc/self/statm")
"""Where Linux tells the memory of this process, in pages: all of it, then what is resident."""


class Figures(TypedDict, total=False):
    """What a step can report; every name becomes a gauge `trainwright_training_<name>`."""

    step: float
    epoch: float
    loss: float
    accuracy: float
    learning_rate: float
    samples_per_second: float
    progress_ratio: float
    eta_seconds: float
    checkpoint_seconds: float
    gradient_norm: float
    gpu_memory_bytes: float


HELP = {
    "step": "Optimizer steps done",
    "epoch": "Passes over the training split done",
    "loss": "Mean loss of a recent global batch",
    "accuracy": "Share of right answers on the validation split, when it was last measured",
    "learning_rate": "Learning rate of the first parameter group",
    "samples_per_second": "Training samples a second over all processes",
    "progress_ratio": "Share of the step's work that is done, from 0 to 1",
    "eta_seconds": "Estimated seconds until the step is done",
    "checkpoint_seconds": "Seconds that writing the last checkpoint took in the background",
    "gradient_norm": "Norm of all gradients together before clipping",
    "gpu_memory_bytes": "GPU memory held by tensors of this process",
}


class Progress:
    """The newest figures of a step.

    `update` only stores numbers; the text is made when it is scraped. Only the process that serves is read, so
    that others may update theirs without a thought.
    """

    def __init__(self) -> None:
        self._figures: Figures = {}

    def update(self, **figures: Unpack[Figures]) -> None:
        """Replace the given figures; the others keep their value."""
        self._figures.update(figures)

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

        for name, documentation in HELP.items():
            value = self._figures.get(name)
            if isinstance(value, int | float):
                yield GaugeMetricFamily(f"trainwright_training_{name}", documentation, value=value)
        yield GaugeMetricFamily(
            "trainwright_training_process_memory_bytes",
            "Largest resident memory of this process so far",
            value=peak_memory_bytes(),
        )


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
