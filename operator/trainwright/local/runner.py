"""The loop that drives a run: observe, plan, carry out, show; until the job is done or the user stops it."""

import signal
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Protocol

from trainwright.api.job import TrainingJob
from trainwright.api.status import Progress
from trainwright.local import state
from trainwright.local.cluster import LocalCluster
from trainwright.local.interpreters import interpreter_of
from trainwright.local.metrics import RunCollector, served
from trainwright.local.pod import LocalPod
from trainwright.local.ports import LOOPBACK
from trainwright.local.site import LocalSite
from trainwright.metrics.progress import read_progress
from trainwright.planning.actions import Event, Plan
from trainwright.planning.observation import ChildJob, Observation, WorkerOutcome
from trainwright.planning.plan import plan

LOOK_SECONDS = 0.1
SCRAPE_SECONDS = 1.0
LONGEST_PAGE = 1 << 20
"""Bytes of a metrics page that are read; no trainer of ours serves so many."""


class Display(Protocol):
    """Shows a run to the user."""

    def show(self, job: TrainingJob) -> None:
        """Shows where the job stands; called many times a second."""

    def tell(self, event: Event) -> None:
        """Shows an event."""

    def explain(self, pod: LocalPod) -> None:
        """Shows the end of a failed worker's log."""


@dataclass
class Runner:
    """One run of one job in one directory."""

    job: TrainingJob
    directory: Path
    display: Display
    metrics_port: int | None = None
    """Where the run's metrics are served; nowhere when not given."""
    _cluster: LocalCluster = field(init=False)
    _site: LocalSite = field(init=False)
    _stops: int = 0
    _scraped: float = 0.0
    _progress: Progress | None = None
    _seen: tuple[ChildJob, ...] = ()

    def __post_init__(self) -> None:
        self._cluster = LocalCluster(self.directory, interpreter_of(self.job.spec.framework).parent)
        self._site = LocalSite(self.directory)

    def run(self) -> TrainingJob:
        """Drives the job until it is finished, or suspended by the user; returns it with its last status.

        Raises:
            MetricsPortError: the metrics can't be served on that port.
        """
        with served(RunCollector(lambda: (self.job, self._seen), self._read_page), self.metrics_port):
            return self._drive()

    def _drive(self) -> TrainingJob:
        previous = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.step()
            while not self._at_rest():
                time.sleep(LOOK_SECONDS)
                self.step()
        finally:
            self._cluster.kill()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self.job

    def step(self) -> None:
        """One pass."""
        self._cluster.sync()
        children = self._seen = self._cluster.children()
        outcomes: dict[str, tuple[WorkerOutcome, ...]] = {}
        decided = self._plan(children, outcomes)
        if decided.ask:
            outcomes = {child.uid: self._cluster.outcomes(child) for child in decided.ask}
            decided = self._plan(children, outcomes)
        self._explain_failures(children, outcomes)
        self._carry_out(decided)

    def _plan(self, children: tuple[ChildJob, ...], outcomes: Mapping[str, tuple[WorkerOutcome, ...]]) -> Plan:
        seen = Observation(self.job, children, outcomes, progress=self._read_progress(children))
        return plan(seen, datetime.now(UTC), self._site)

    def _carry_out(self, decided: Plan) -> None:
        for body in decided.apply:
            self._cluster.apply(body)
        if decided.status != self.job.status:
            self.job = self.job.model_copy(update={"status": decided.status})
            state.save(self.directory, self.job)
        for change in decided.resize:
            self._cluster.resize(change.child, change.size)
        for child in decided.delete:
            self._cluster.delete(child)
        self.display.show(self.job)  # what a step measured comes before what was decided of it
        for event in decided.events:
            self.display.tell(event)

    def _explain_failures(
        self, children: tuple[ChildJob, ...], outcomes: Mapping[str, tuple[WorkerOutcome, ...]]
    ) -> None:
        for child in children:
            if child.failed and child.uid in outcomes:
                for pod in self._cluster.pods(child):
                    if pod.exit_code:
                        self.display.explain(pod)

    def _at_rest(self) -> bool:
        return self.job.status.phase in ("Complete", "Failed", "Suspended")

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-C suspends the job, as `runPolicy.suspend` does on a cluster; a second one kills what still runs."""
        self._stops += 1
        policy = self.job.spec.run_policy.model_copy(update={"suspend": True})
        self.job = self.job.model_copy(update={"spec": self.job.spec.model_copy(update={"run_policy": policy})})
        if self._stops > 1:
            self._cluster.kill()

    def _read_progress(self, children: tuple[ChildJob, ...]) -> Progress | None:
        """What rank 0 of the running step tells, at most once a second; the last known where it doesn't answer."""
        if _running(children) is None:
            self._progress = None
        elif time.monotonic() - self._scraped > SCRAPE_SECONDS:
            self._scraped = time.monotonic()
            try:
                self._progress = read_progress(self._read_page())
            except (OSError, ValueError):
                return self._progress
        return self._progress

    def _read_page(self) -> str:
        """What rank 0 of the running step serves; empty when no step runs.

        Raises:
            OSError: it doesn't answer.
            ValueError: its answer is no text.
        """
        running = _running(self._seen)
        if running is None:
            return ""
        step = next(step for step in self.job.spec.steps if step.name == running.step)
        url = f"http://{LOOPBACK}:{self._site.metrics_port(self.job, step)}/metrics"
        with urllib.request.urlopen(url, timeout=0.5) as page:
            text: str = page.read(LONGEST_PAGE).decode()
        return text


def _running(children: tuple[ChildJob, ...]) -> ChildJob | None:
    """The group that runs the current step."""
    return next((child for child in children if not child.finished and not child.terminating), None)
