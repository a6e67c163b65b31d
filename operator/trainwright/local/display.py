"""Shows a run: a live table in a terminal, plain lines elsewhere, and the table of results at the end."""

import time
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from trainwright.api.job import TrainingJob
from trainwright.api.status import FINISHED_STATES, Progress, StepStatus
from trainwright.local.pod import LocalPod
from trainwright.planning.actions import Event

PLAIN_SECONDS, SELDOM_SECONDS = 5.0, 60.0
"""A line is written when so much time has passed since the last one and a further percent is done, or in any case."""
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
_STYLES = {"Succeeded": "green", "Failed": "red", "RolledBack": "yellow", "Running": "cyan", "Pending": "dim"}


class PlainDisplay:
    """One line an event, one every while as a step trains, and one of what a step measured: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        """Writes to `console`."""
        self._console = console
        self._written_at = 0.0
        self._written: tuple[str, str | None, int | None] = ("", None, None)
        self._finished: set[str] | None = None

    def show(self, job: TrainingJob) -> None:
        """Writes what the steps that have just ended measured, and not too often where the running one stands."""
        self.show_finished(job)
        progress = job.status.progress
        if progress is None or progress.percent is None:
            return
        standing = describe_progress(progress)
        now = (standing, job.status.current_step, progress.percent)
        waited = time.monotonic() - self._written_at
        further = now[1:] != self._written[1:]
        if standing != self._written[0] and waited > (PLAIN_SECONDS if further else SELDOM_SECONDS):
            self._written_at, self._written = time.monotonic(), now
            self._console.print(f"{job.status.current_step}: {standing}", **_PLAIN)

    def show_finished(self, job: TrainingJob) -> None:
        """Writes what the steps measured that have ended since the last call; nothing of those before the first."""
        ended = {step.name: step for step in job.status.steps if step.state in FINISHED_STATES}
        for name in ended.keys() - (ended.keys() if self._finished is None else self._finished):
            if said := describe_step(ended[name]):
                self._console.print(f"{name}: {said}", **_PLAIN)
        self._finished = set(ended)

    def tell(self, event: Event) -> None:
        """Writes the event."""
        style = "yellow" if event.kind == "Warning" else None
        self._console.print(f"{event.reason}: {event.message}", style=style, **_PLAIN)

    def explain(self, pod: LocalPod) -> None:
        """Writes the end of the worker's log, and where the rest is."""
        headline = f"{pod.name} ended with exit code {pod.exit_code}; the end of {pod.log}:"
        self._console.print(headline, style="red", **_PLAIN)
        for line in pod.last_lines():
            self._console.print(f"  {line}", style="dim", **_PLAIN)


class LiveDisplay(PlainDisplay):
    """A table of the steps that is drawn anew while the job runs; events scroll by above it."""

    def __init__(self, console: Console) -> None:
        """Draws on `console`, which is a terminal."""
        super().__init__(console)
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "LiveDisplay":
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._live.stop()

    def show(self, job: TrainingJob) -> None:
        """Draws the table; above it goes what the steps measured that have ended."""
        self.show_finished(job)
        table = Table(box=None, pad_edge=False)
        for heading in ("step", "state", "", ""):
            table.add_column(heading)
        for step in job.status.steps:
            running = step.name == job.status.current_step
            progress = job.status.progress if running else None
            bar = ProgressBar(total=100, completed=progress.percent or 0, width=30) if progress else ""
            state = f"[{_STYLES[step.state]}]{step.state}[/]"
            table.add_row(step.name, state, bar, describe_progress(progress) if progress else "")
        self._live.update(table, refresh=True)


def describe_progress(progress: Progress) -> str:
    """The progress in one line: share, epoch, loss, samples a second, time left."""
    parts = [
        (progress.percent, "{} %"),
        (progress.epoch, "epoch {}"),
        (progress.loss, "loss {:.4f}"),
        (progress.accuracy, "accuracy {:.4f}"),
        (progress.samples_per_second, "{:.0f} samples/s"),
        (timedelta(seconds=progress.remaining_seconds) if progress.remaining_seconds else None, "{} left"),
    ]
    return ", ".join(form.format(value) for value, form in parts if value is not None)


def describe_step(step: StepStatus) -> str:
    """What an ended step measured and how long it took, in one line; empty when it measured nothing."""
    names = ("accuracy", "loss", "latency", "size", "parameters")
    measured = [f"{name} {number}" for name, number in zip(names, _numbers(step), strict=True) if number]
    if measured and step.start_time and step.completion_time:
        measured.append(f"after {step.completion_time.replace(microsecond=0) - step.start_time.replace(microsecond=0)}")
    return ", ".join(measured)


def results_table(job: TrainingJob) -> Table:
    """What every step measured, and how it did at its gate."""
    table = Table()
    table.add_column("step")
    table.add_column("state")
    for heading in ("accuracy", "loss", "latency", "size", "parameters"):
        table.add_column(heading, justify="right")
    table.add_column("gate")
    for step in job.status.steps:
        table.add_row(step.name, f"[{_STYLES[step.state]}]{step.state}[/]", *_numbers(step), _gate(step))
    return table


def _numbers(step: StepStatus) -> list[str]:
    metrics = step.metrics
    if metrics is None:
        return [""] * 5
    shown = [
        (metrics.accuracy, "{:.4f}"),
        (metrics.loss, "{:.4f}"),
        (metrics.latency_ms, "{:.3f} ms"),
        (None if metrics.size_bytes is None else metrics.size_bytes / 1000, "{:,.1f} kB"),
        (metrics.parameters, "{:,}"),
    ]
    return ["" if value is None else form.format(value) for value, form in shown]


def _gate(step: StepStatus) -> str:
    if step.gate is None:
        return ""
    return "[green]passed[/]" if step.gate.passed else "[red]missed[/]"
