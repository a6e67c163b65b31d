"""Shows a run: a live table in a terminal, plain lines elsewhere, and the table of results at the end."""

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from trainwright.api.job import TrainingJob
from trainwright.api.status import Progress, StepStatus
from trainwright.local.pod import LocalPod
from trainwright.planning.actions import Event

PLAIN_SECONDS = 5.0
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
_STYLES = {"Succeeded": "green", "Failed": "red", "RolledBack": "yellow", "Running": "cyan", "Pending": "dim"}


class PlainDisplay:
    """One line an event, and one every few seconds while a step trains: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        """Writes to `console`."""
        self._console = console
        self._shown = 0.0

    def show(self, job: TrainingJob) -> None:
        """Writes where the running step stands, not too often."""
        progress = job.status.progress
        if progress and progress.percent is not None and time.monotonic() - self._shown > PLAIN_SECONDS:
            self._shown = time.monotonic()
            self._console.print(f"{job.status.current_step}: {describe_progress(progress)}", **_PLAIN)

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
        """Draws the table."""
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
        (progress.remaining_seconds, "{} s left"),
    ]
    return ", ".join(form.format(value) for value, form in parts if value is not None)


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
