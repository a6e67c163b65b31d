"""Serves a local run's metrics: what the operator would tell of the job, and what the running step itself tells."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from trainwright.api.job import TrainingJob
from trainwright.local.ports import LOOPBACK
from trainwright.metrics.jobs import JobCollector
from trainwright.planning.observation import ChildJob


class MetricsPortError(RuntimeError):
    """The port can't be served."""


class RunCollector(Collector):
    """The metrics of one run, as they are at the moment of a scrape.

    Args:
        seen: the job and its child Jobs, as the last pass saw them; called from another thread.
        page: what rank 0 of the running step serves; empty when nothing does. Called from another thread.
    """

    def __init__(self, seen: Callable[[], tuple[TrainingJob, Sequence[ChildJob]]], page: Callable[[], str]) -> None:
        self._seen, self._page = seen, page
        self._jobs = JobCollector(self._bodies, leading=lambda: True, most=1)

    def collect(self) -> Iterator[Metric]:
        """The job's metrics, then the step's."""
        yield from self._jobs.collect()
        try:
            yield from text_string_to_metric_families(self._page())
        except (OSError, ValueError):
            return  # a step that doesn't answer, or a program of the user's that serves something else

    def _bodies(self) -> list[tuple[dict[str, object], list[dict[str, object]]]]:
        job, children = self._seen()
        return [(job.to_dict(), [dict(child.body) for child in children])]


@contextmanager
def served(collector: Collector, port: int | None) -> Iterator[None]:
    """Serves /metrics on a port of this machine, to nobody outside of it; nothing when no port is given.

    Raises:
        MetricsPortError: the port is taken, or may not be used.
    """
    if port is None:
        yield
        return
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        server, thread = start_http_server(port, addr=LOOPBACK, registry=registry)
    except OSError as error:
        raise MetricsPortError(f"--metrics-port: {port} can't be served: {error.strerror}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
