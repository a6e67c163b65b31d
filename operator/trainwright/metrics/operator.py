"""What the operator counts of itself and of what becomes of jobs."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from trainwright import __version__
from trainwright.api.status import FailureRecord, TrainingJobStatus
from trainwright.api.steps import KINDS
from trainwright.metrics.capped import CappedValues

MOST_NAMESPACES = 200
"""Namespaces that counters tell apart; the rest is counted as `other`."""

MOST_REASONS = 50
"""Reasons of failures that counters tell apart: a reason may be any class of error in a user's program."""

STEP_SECONDS = (5, 15, 60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600, 3 * 86400, 7 * 86400)
WAIT_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)
PASS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

disable_created_metrics()  # type: ignore[no-untyped-call]


class OperatorMetrics:
    """The counters of one replica.

    Attributes:
        registry: what a scrape reads; collectors of live figures are registered there, too.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._namespace, self._reason = CappedValues(MOST_NAMESPACES), CappedValues(MOST_REASONS)
        registry = self.registry
        of_job = ["namespace", "framework"]
        self._created = Counter(
            "trainwright_jobs_created", "TrainingJobs that were taken on", of_job, registry=registry
        )
        self._completed = Counter(
            "trainwright_jobs_completed", "TrainingJobs that came to a good end", of_job, registry=registry
        )
        self._failed = Counter(
            "trainwright_jobs_failed",
            "TrainingJobs that failed for good, by reason",
            [*of_job, "reason"],
            registry=registry,
        )
        self._restarts = Counter(
            "trainwright_restarts",
            "Groups of workers that were replaced: cause is Error, Disruption or Resize, reason the failure in a word",
            [*of_job, "cause", "reason"],
            registry=registry,
        )
        self._waits = Histogram(
            "trainwright_job_wait_seconds",
            "Time from the creation of a TrainingJob until all workers of its first step were ready",
            ["framework"],
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self._steps = Histogram(
            "trainwright_step_duration_seconds",
            "Time from the first attempt at a step to its end, by the state that it ended in",
            ["framework", "kind", "state"],
            buckets=STEP_SECONDS,
            registry=registry,
        )
        self._gates = Counter(
            "trainwright_step_gates",
            "Gates that were decided; result is passed or missed",
            ["kind", "result"],
            registry=registry,
        )
        self._passes = Histogram(
            "trainwright_operator_pass_duration_seconds",
            "Time that a pass over one job took; result is success or error",
            ["result"],
            buckets=PASS_SECONDS,
            registry=registry,
        )
        self._requests = Counter(
            "trainwright_operator_api_requests",
            "Requests to the API server, watches aside; code is the HTTP status, or the error that came in its place",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self._relists = Counter(
            "trainwright_operator_watch_restarts",
            "Watches that had to begin anew from a list",
            ["resource"],
            registry=registry,
        )
        # What is known beforehand begins at zero, so that the first one is seen as an increase.
        for result in ("success", "error"):
            self._passes.labels(result)
        for resource in ("trainingjobs", "jobs"):
            self._relists.labels(resource)
        for kind in KINDS:
            self._gates.labels(kind, "passed")
            self._gates.labels(kind, "missed")
        Info("trainwright_build", "The operator's version", registry=registry).info({"version": __version__})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def watch_replica(self, leading: Callable[[], bool], queue_depth: Callable[[], int]) -> None:
        """Serves whether the replica leads, and how many jobs are due for a pass."""
        registry = self.registry
        Gauge(
            "trainwright_operator_leader", "Whether this replica is the one that acts", registry=registry
        ).set_function(lambda: float(leading()))
        Gauge(
            "trainwright_operator_queue_depth", "Jobs that are due for a pass and not in one", registry=registry
        ).set_function(queue_depth)

    @contextmanager
    def timing_pass(self) -> Iterator[None]:
        """Times one pass over a job; an error passes through."""
        start, result = time.perf_counter(), "error"
        try:
            yield
            result = "success"
        finally:
            self._passes.labels(result).observe(time.perf_counter() - start)

    def count_request(self, verb: str, resource: str, code: str) -> None:
        """Counts a request to the API server."""
        self._requests.labels(verb, resource, code).inc()

    def count_relist(self, resource: str) -> None:
        """Counts a watch that began anew from a list."""
        self._relists.labels(resource).inc()

    def count_changes(self, body: Mapping[str, Any], before: TrainingJobStatus, after: TrainingJobStatus) -> None:
        """Counts what a written status tells that the one before it didn't.

        Args:
            body: the TrainingJob; it may be invalid.
            before: the status that was replaced.
            after: the one that was written.
        """
        namespace = self._namespace(body["metadata"]["namespace"])
        framework = str(body["spec"].get("framework", ""))
        if before.phase is None:
            self._created.labels(namespace, framework).inc()
        if after.phase != before.phase and after.phase == "Complete":
            self._completed.labels(namespace, framework).inc()
        if after.phase != before.phase and after.phase == "Failed":
            self._failed.labels(namespace, framework, self._reason(_reason(after, "Failed"))).inc()
        else:
            for failure in _new_failures(before, after):
                self._restarts.labels(namespace, framework, failure.cause, self._reason(failure.reason)).inc()
        if _reason(after, "Restarting") == "Resizing" != _reason(before, "Restarting"):
            self._restarts.labels(namespace, framework, "Resize", "Resizing").inc()
        self._observe_wait(framework, before, after)
        self._count_steps(framework, body, before, after)

    def _observe_wait(self, framework: str, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
        if after.phase == "Running" and not before.phase_seconds.running and before.phase in (None, "Pending"):
            self._waits.labels(framework).observe(after.phase_seconds.pending)

    def _count_steps(
        self, framework: str, body: Mapping[str, Any], before: TrainingJobStatus, after: TrainingJobStatus
    ) -> None:
        ended = {step.name for step in before.steps if step.completion_time is not None}
        for step in after.steps:
            if step.completion_time is None or step.name in ended:
                continue
            kind = _kind(body, step.name)
            if step.start_time is not None:
                seconds = (step.completion_time - step.start_time).total_seconds()
                self._steps.labels(framework, kind, step.state).observe(seconds)
            if step.gate is not None:
                self._gates.labels(kind, "passed" if step.gate.passed else "missed").inc()


def _reason(status: TrainingJobStatus, kind: str) -> str:
    """Why the condition is true; empty when it isn't."""
    return next((item.reason for item in status.conditions if item.type == kind and item.status == "True"), "")


def _new_failures(before: TrainingJobStatus, after: TrainingJobStatus) -> list[FailureRecord]:
    """Failed attempts that the status before didn't tell of."""
    known = {step.name: max((failure.attempt for failure in step.failures), default=0) for step in before.steps}
    return [failure for step in after.steps for failure in step.failures if failure.attempt > known.get(step.name, 0)]


def _kind(body: Mapping[str, Any], name: str) -> str:
    """The kind of one of the job's steps."""
    step: Mapping[str, Any] = next((step for step in body["spec"].get("steps", ()) if step.get("name") == name), {})
    return next((kind for kind in KINDS if kind in step), "")
