"""The table of `trainwright top`: what a job's row tells, and how it fits."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from trainwright.top.jobs import Row, read_row, span
from trainwright.top.table import coloured, plain

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
STEPS = [{"name": "train"}, {"name": "prune"}]


def _row(name: str = "digits", **status: Any) -> Row:
    created = (NOW - timedelta(hours=3, minutes=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": name, "namespace": "team-a", "creationTimestamp": created}
    return read_row({"metadata": metadata, "spec": {"steps": STEPS, "workers": {"replicas": 4}}, "status": status}, NOW)


def _waiting(message: str) -> list[dict[str, str]]:
    return [{"type": "Running", "status": "False", "reason": "WaitingForWorkers", "message": message}]


PROGRESS = {"percent": 41, "loss": 0.25, "accuracy": 0.97, "samplesPerSecond": 2000.4, "remainingSeconds": 125}
RUNNING = _row(phase="Running", currentStep="prune", progress=PROGRESS, replicas=4, restarts=2, accuracy=0.9)


def test_running_job_tells_how_far_how_well_and_how_fast_it_is() -> None:
    headings, cells = plain([RUNNING]).splitlines()
    assert headings.split()[:3] == ["NAMESPACE", "NAME", "PHASE"]
    words = [cell.strip() for cell in cells.split("  ") if cell.strip()]
    standing = ["team-a", "digits", "Running", "4/4", "2", "3h12m", "prune 2/2"]
    assert words == [*standing, "41 %", "0.2500", "0.9700", "2000", "2m5s"]
    for heading, cell in (("STEP", "prune"), ("WORKERS", "4/4")):
        assert headings.index(heading) == cells.index(cell)


def test_job_that_waits_says_why() -> None:
    row = _row(phase="Pending", currentStep="train", conditions=_waiting("0 of 4 workers: no node has 8 GPUs"))
    assert row.waits == "WaitingForWorkers: 0 of 4 workers: no node has 8 GPUs"
    assert row.workers == "0/4"
    assert plain([row]).endswith("no node has 8 GPUs")
    assert _row(phase="Running", conditions=_waiting("old")).waits == ""
    assert (_row().phase, _row().waits) == ("Pending", ""), "the operator has not seen it yet"


def test_what_a_job_says_can_not_control_the_terminal() -> None:
    row = _row(phase="Restarting", conditions=_waiting("\x1b[2J\x1b]0;taken\x07[bold]markup[/]\nnext"))
    assert "\x1b" not in row.waits
    assert len(plain([row]).splitlines()) == 2
    assert "[bold]markup[/]" in _drawn([row], width=250)


def _drawn(rows: list[Row], height: int = 24, width: int = 200, note: str = "") -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(coloured(rows, height, note))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_terminal_shows_as_many_jobs_as_fit_and_counts_the_others() -> None:
    rows = [_row(f"job-{index}", phase="Running" if index % 3 else "Pending") for index in range(50)]
    lines = _drawn(rows, height=20).splitlines()
    assert len(lines) <= 20
    assert lines[0].startswith("50 jobs: 33 Running, 17 Pending")
    assert "and 33 more" in lines[-1]
    assert sum("job-" in line for line in lines) == 17


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_terminal_of_any_width_keeps_a_line_a_job(width: int) -> None:
    lines = (
        _drawn([RUNNING, _row(phase="Pending", conditions=_waiting("why " * 40))], width=width).rstrip().splitlines()
    )
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)


def test_error_takes_the_place_of_the_summary_and_the_jobs_stay() -> None:
    drawn = _drawn([RUNNING], note="no answer, what is shown may be old: timed out")
    assert drawn.startswith("no answer")
    assert "digits" in drawn
    assert "no jobs" in _drawn([])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (125, "2m5s"),
        (600, "10m"),
        (11_520, "3h12m"),
        (7200, "2h"),
        (450_000, "5d5h"),
        (-3, "0s"),
    ],
)
def test_spans_are_written_as_kubectl_does(seconds: float, words: str) -> None:
    assert span(seconds) == words
