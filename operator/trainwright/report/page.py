"""Puts the page together: every value passes through the template's escaping, whoever it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

import trainwright
from trainwright.api.base import format_time
from trainwright.api.steps import Step
from trainwright.metrics.goodput import goodput
from trainwright.report import curves, lineage, numbers
from trainwright.report.curves import Chart, draw_charts
from trainwright.report.findings import read_findings
from trainwright.report.history import History
from trainwright.report.lineage import draw_lineage
from trainwright.report.run import Run, StepRecord
from trainwright.report.timeline import draw_timeline
from trainwright.report.tradeoffs import draw_tradeoffs

MOST_ROWS = 50
"""Rows of the table beside a step's curves."""
LONGEST_TEXT = 2000
"""Characters of one message, note or value that are shown."""


@dataclass(frozen=True)
class Training:
    """The curves of one step, with the numbers behind them."""

    record: StepRecord
    charts: list[Chart]
    columns: list[str]
    rows: list[list[str]]


def render(run: Run, now: datetime) -> str:
    """The report as one HTML page, which loads nothing and runs no script.

    Args:
        run: what it is about.
        now: when it is made.
    """
    environment = Environment(
        loader=PackageLoader("trainwright.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": numbers.share,
        "size": numbers.size,
        "milliseconds": numbers.milliseconds,
        "duration": numbers.duration,
        "short": numbers.short,
        "time": lambda seconds: format_time(datetime.fromtimestamp(seconds, UTC)),
        "moment": format_time,
        "clip": _clip,
    }
    job = run.job
    return environment.get_template("report.html").render(
        run=run,
        job=job,
        status=job.status,
        version=trainwright.__version__,
        now=now,
        headline=_headline(run),
        tiles=_tiles(run, now),
        trainings=[_training(record) for record in run.steps if record.history.series],
        findings=read_findings(run.steps),
        tradeoffs=draw_tradeoffs(run.steps),
        lineage=draw_lineage(run.steps),
        goodput=goodput(job.status.to_dict(), now.timestamp()),
        timeline=draw_timeline(run.steps, now.timestamp()),
        surroundings=_surroundings(run.steps),
        notes=_notes(run.steps),
        spec=yaml.safe_dump(job.to_dict()["spec"], sort_keys=False, allow_unicode=True),
        what=_what,
        against_input=_against_input,
        curves=curves,
        lineage_row=lineage.ROW,
    )


def _clip(text: Any) -> str:
    text = str(text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} ... ({len(text)} characters)"


def _headline(run: Run) -> str:
    """What came out, or why nothing did, in a sentence."""
    status = run.job.status
    said = {condition.type: condition for condition in status.conditions if condition.status == "True"}
    if "Failed" in said:
        return f"{said['Failed'].reason}: {said['Failed'].message}"
    if "Complete" in said and status.artifacts:
        last = status.artifacts[-1]
        return f"The last accepted artifact is {last.name} ({last.format}), in {last.path}."
    waiting = next((item for item in status.conditions if item.type == "Running"), None)
    return f"{waiting.reason}: {waiting.message}" if waiting else ""


def _tiles(run: Run, now: datetime) -> list[tuple[str, str, str]]:
    """Name, value and what it is compared with, of the few numbers that matter most."""
    status = run.job.status
    measured = [record for record in run.steps if record.accepted and record.status.metrics]
    tiles = []
    for name, field, form, compare in (
        ("Accuracy", "accuracy", numbers.share, _difference),
        ("Size", "size_bytes", numbers.size, numbers.change),
        ("Latency", "latency_ms", numbers.milliseconds, None),  # each step's is from another process
    ):
        found = [(record.step.name, getattr(record.status.metrics, field)) for record in measured]
        known = [(step, value) for step, value in found if value is not None]
        if known:
            (first_step, first), (_, last) = known[0], known[-1]
            compared = f"{compare(last, first)}, " if compare else ""
            tiles.append((name, form(last), f"{compared}{form(first)} after {first_step}"))
    began = min((record.attempts[0].began for record in run.steps if record.attempts), default=None)
    if began is not None:
        ended = status.completion_time.timestamp() if status.completion_time else now.timestamp()
        tiles.append(
            ("Duration", numbers.duration(max(ended - began, 0.0)), "" if status.completion_time else "so far")
        )
    undone = sum(attempt.undone_steps for record in run.steps for attempt in record.attempts)
    lost = f"{undone} optimizer steps done again" if undone else ""
    return [*tiles, ("Restarts", str(status.restarts), lost)]


def _training(record: StepRecord) -> Training:
    columns, rows = _table(record.history)
    return Training(record, draw_charts(record.history, record.attempts), columns, rows)


def _table(history: History) -> tuple[list[str], list[list[str]]]:
    """The epochs' numbers, or those of some optimizer steps where there are no epochs."""
    names = [*history.series]
    values = {name: dict(points) for name, points in history.series.items()}
    steps = [epoch["step"] for epoch in history.epochs] or sorted(
        {step for points in values.values() for step in points}
    )
    every = max(-(-len(steps) // MOST_ROWS), 1)
    chosen = [*steps[::-1][::every]][::-1]  # the last one is among them
    rows = [[f"{step:g}", *(_cell(name, values[name].get(step)) for name in names)] for step in chosen]
    return ["optimizer step", *names], rows


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return numbers.size(value) if name.endswith("Bytes") else f"{value:.6g}"


def _what(step: Step) -> str:
    """The kind of step, with what matters most of its options."""
    options = step.options.model_dump(mode="json", exclude_defaults=True)
    shown = ("method", "amount", "scheme", "format", "epochs", "finetuneEpochs", "batchSize", "precision", "layout")
    told = [f"{name} {options[name]}" for name in shown if name in options]
    return ": ".join([step.kind, ", ".join(told)] if told else [step.kind])


def _against_input(record: StepRecord) -> list[str]:
    """What the step changed, both measured in its own process: the only fair comparison of two times."""
    if record.result is None:
        return []
    before, after = record.result.reference, record.result.metrics
    said = []
    for name, field, form, compare in (
        ("accuracy", "accuracy", numbers.share, _difference),
        ("latency", "latency_ms", numbers.milliseconds, numbers.change),
        ("size", "size_bytes", numbers.size, numbers.change),
        ("parameters", "parameters", numbers.short, numbers.change),
    ):
        old, new = getattr(before, field), getattr(after, field)
        if old is None or new is None:
            continue
        difference = compare(new, old)
        if form(old) != form(new) and difference != numbers.UNCHANGED:
            said.append(f"{name} {form(old)} \N{RIGHTWARDS ARROW} {form(new)} ({difference})")
    return said


def _difference(value: float, before: float) -> str:
    return f"{value - before:+.4f}"


def _surroundings(steps: Sequence[StepRecord]) -> list[tuple[str, str]]:
    """What the steps ran on; where they differ, which step on what."""
    found: dict[str, dict[str, list[str]]] = {}
    for record in steps:
        told = _flat(record.surroundings) | {f"{name} (artifact)": version for name, version in record.tools.items()}
        for name, value in told.items():
            found.setdefault(name, {}).setdefault(value, []).append(record.step.name)
    return [
        (
            name,
            next(iter(values))
            if len(values) == 1
            else "; ".join(f"{value} ({', '.join(of)})" for value, of in values.items()),
        )
        for name, values in found.items()
    ]


def _flat(surroundings: Mapping[str, Any]) -> dict[str, str]:
    """Names and values of a journal's `started`; whatever else a file holds there is left out."""
    told = {name: str(surroundings[name]) for name in ("python", "platform", "cpus") if name in surroundings}
    gpus, packages = surroundings.get("gpus"), surroundings.get("packages")
    if isinstance(gpus, list) and gpus:
        told["gpus"] = ", ".join(map(str, gpus))
    return told | ({name: str(version) for name, version in packages.items()} if isinstance(packages, dict) else {})


def _notes(steps: Sequence[StepRecord]) -> list[tuple[str, str]]:
    """The step's name and what the user should know of it."""
    notes = []
    for record in steps:
        told = [*record.status.notes, *(record.result.notes if record.result else [])]
        notes += [(record.step.name, note) for note in dict.fromkeys(told)]
        if record.history.unreadable:
            notes.append((record.step.name, f"{record.history.unreadable} lines of its history could not be read"))
    return notes
