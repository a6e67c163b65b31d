"""The table of jobs: coloured for a terminal, aligned text for everything else."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from trainwright.top.jobs import Row

HEADINGS = ("NAMESPACE", "NAME", "PHASE", "WORKERS", "RESTARTS", "AGE", "STEP")
PROGRESS_HEADINGS = ("DONE", "LOSS", "ACCURACY", "SAMPLES/S", "ETA")
"""A job that waits has its reason in their place."""
GAP = "  "
BAR = 10
"""Letters of a bar that is full."""
_STYLES = {
    "Running": "green",
    "Complete": "green",
    "Failed": "red",
    "Restarting": "yellow",
    "Suspending": "yellow",
    "Pending": "cyan",
}
FRAME_LINES = 3
"""Lines of a terminal that the summary, the headings, and a line for what doesn't fit take."""


def summary(rows: Sequence[Row]) -> str:
    """How many jobs there are, by phase."""
    counts = Counter(row.phase for row in rows)
    said = ", ".join(f"{count} {phase}" for phase, count in sorted(counts.items(), key=lambda item: -item[1]))
    return f"{len(rows)} jobs: {said}" if rows else "no jobs"


def plain(rows: Sequence[Row]) -> str:
    """Aligned text, as kubectl prints it."""
    return "\n".join(GAP.join(cells).rstrip() for cells in _aligned(rows, bars=False))


def coloured(rows: Sequence[Row], height: int, note: str = "") -> Group:
    """The table for a terminal of so many lines; what is wider than it is cut off.

    Args:
        rows: all jobs; those that don't fit are counted below.
        height: lines of the terminal.
        note: what else the user should know, such as an error; in the place of the summary.
    """
    shown = rows[: max(height - FRAME_LINES, 1)]
    head, *lines = _aligned(shown, bars=True)
    texts = [Text(note or summary(rows), style="red" if note else "bold"), Text(GAP.join(head), style="dim")]
    for row, cells in zip(shown, lines, strict=True):
        before, phase, after = GAP.join(cells[:2]), cells[2], GAP.join(cells[3:])
        texts.append(Text.assemble(before, GAP, (phase, _STYLES.get(row.phase, "")), GAP, after))
    if left_out := len(rows) - len(shown):
        texts.append(Text(f"and {left_out} more: a taller window, or --namespace, shows them", style="dim"))
    for text in texts:
        text.no_wrap, text.overflow = True, "ellipsis"
    return Group(*texts)


def _aligned(rows: Sequence[Row], *, bars: bool) -> list[list[str]]:
    """The headings, then every row, their cells as wide as the column."""
    left = [HEADINGS, *map(_standing, rows)]
    right = [PROGRESS_HEADINGS, *(_progress(row, bars) for row in rows)]
    left_widths, right_widths = (
        [max(map(len, column)) for column in zip(*part, strict=True)] for part in (left, right)
    )
    lines = []
    for cells, progress, reason in zip(left, right, ["", *(row.waits for row in rows)], strict=True):
        words = [cell.ljust(width) for cell, width in zip(cells, left_widths, strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(progress, right_widths, strict=True)]
        lines.append([*words, *([reason] if reason else numbers)])
    return lines


def _standing(row: Row) -> tuple[str, ...]:
    return row.namespace, row.name, row.phase, row.workers, row.restarts, row.age, row.step


def _progress(row: Row, bars: bool) -> tuple[str, ...]:
    done = "" if row.percent is None else f"{row.percent} %"
    if bars and row.percent is not None:
        full = row.percent * BAR // 100
        done = f"{done:>5} {'█' * full}{'░' * (BAR - full)}"
    return done, row.loss, row.accuracy, row.samples_per_second, row.eta
