"""When each attempt at each step ran, and what of it was lost: bars over the time since the job began."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.report import numbers
from trainwright.report.attempts import Attempt
from trainwright.report.run import StepRecord
from trainwright.report.scales import fit

ROW = 44
"""Height of a row, in pixels. Across, everything is in percent of the width."""
MOST_TICKS = 5
TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
"""Distances that people count time in."""


@dataclass(frozen=True)
class Bar:
    """One attempt, or the part of it that the next one did again."""

    left: float
    width: float
    kind: str
    text: str


@dataclass(frozen=True)
class Row:
    """One step. `label` is above its bars."""

    label: str
    top: int
    bars: list[Bar]


@dataclass(frozen=True)
class Timeline:
    """The drawing; ticks are percent and words."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    height: int
    undone_steps: int
    undone_seconds: float
    waited_seconds: float
    summary: str


def draw_timeline(steps: Sequence[StepRecord], until: float) -> Timeline | None:
    """The steps that have begun; none when no step has.

    Args:
        steps: in order.
        until: seconds since the epoch that a bar without an end goes to.
    """
    begun = [record for record in steps if record.attempts]
    if not begun:
        return None
    start = min(record.attempts[0].began for record in begun)
    end = max(start + 1.0, *(_end(record.attempts[-1], until) for record in begun))
    scale = fit([0.0, end - start], 0.0, 100.0, margin=0)
    rows = [
        Row(
            label=_label(record, until),
            top=index * ROW,
            bars=[
                Bar(scale.at(left - start), max(round(100 * (right - left) / (end - start), 2), 0.2), kind, text)
                for left, right, kind, text in _spans(record.attempts, until)
            ],
        )
        for index, record in enumerate(begun)
    ]
    attempts = [attempt for record in begun for attempt in record.attempts]
    undone = sum(attempt.undone_steps for attempt in attempts)
    return Timeline(
        rows=rows,
        ticks=[(scale.at(value), numbers.duration(value)) for value in _ticks(end - start)],
        height=ROW * len(rows),
        undone_steps=undone,
        undone_seconds=sum(attempt.undone_seconds for attempt in attempts),
        waited_seconds=sum(
            max(after.began - before.ended, 0.0)
            for record in begun
            for before, after in zip(record.attempts, record.attempts[1:], strict=False)
            if before.ended is not None
        ),
        summary=f"{len(begun)} steps in {numbers.duration(end - start)}: {'; '.join(row.label for row in rows)}.",
    )


def _ticks(seconds: float) -> list[float]:
    """Round moments up to so many seconds."""
    days = 86_400.0 * math.ceil(seconds / (MOST_TICKS * 86_400))
    step = next((float(step) for step in TICK_SECONDS if seconds / step <= MOST_TICKS), days)
    return [index * step for index in range(math.floor(seconds / step) + 1)]


def _end(attempt: Attempt, until: float) -> float:
    return max(attempt.began, until if attempt.ended is None else attempt.ended)


def _label(record: StepRecord, until: float) -> str:
    took = numbers.duration(_end(record.attempts[-1], until) - record.attempts[0].began)
    count = len(record.attempts)
    return f"{record.step.name}: {took}" + (f", {count} attempts" if count > 1 else "")


def _spans(attempts: Sequence[Attempt], until: float) -> list[tuple[float, float, str, str]]:
    """From, to, kind and words of every bar; what was done again lies over the end of the attempt that had done it."""
    spans = []
    for attempt, following in zip(attempts, [*attempts[1:], None], strict=True):
        end = _end(attempt, until)
        took = numbers.duration(end - attempt.began)
        words = f"attempt {attempt.number}: {attempt.outcome} after {took}"
        spans.append(
            (attempt.began, end, attempt.outcome.lower(), words + (f": {attempt.message}" * bool(attempt.message)))
        )
        if following is not None and following.undone_steps:
            lost = f"{following.undone_steps} optimizer steps of attempt {attempt.number} were done again"
            spans.append((max(end - following.undone_seconds, attempt.began), end, "undone", lost))
    return spans
