"""What `trainwright run` writes where there is no terminal, and draws where there is one."""

import io
from typing import Any

import pytest
from rich.console import Console

from tests.report.build import ONNX, TRAIN, done, job_of
from trainwright.api.job import TrainingJob
from trainwright.api.status import Progress, StepStatus
from trainwright.local import display
from trainwright.local.display import LiveDisplay, PlainDisplay

TRAINED = done("train", 0.98, 300_000)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    return clock


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def _lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def _running(percent: int, **progress: Any) -> TrainingJob:
    steps = [StepStatus(name="train", state="Running")]
    return job_of([TRAIN, ONNX], steps, current_step="train", progress=Progress(percent=percent, **progress))


def test_progress_is_written_at_intervals_and_never_twice(clock: Clock, console: Console) -> None:
    plain = PlainDisplay(console)
    for percent, seconds in [(1, 6), (1, 6), (2, 1), (3, 1), (4, 6), (4, 6), (4, 100)]:
        clock.now += seconds
        plain.show(_running(percent, loss=1 / percent))
    assert _lines(console) == [f"train: {percent} %, loss {1 / percent:.4f}" for percent in (1, 2, 4)]


def test_step_that_is_slow_is_heard_of_once_a_minute(clock: Clock, console: Console) -> None:
    plain = PlainDisplay(console)
    for second in range(0, 150, 10):
        clock.now += 10
        plain.show(_running(1, loss=1 + second, remaining_seconds=3725))
    assert _lines(console) == [
        "train: 1 %, loss 1.0000, 1:02:05 left",
        "train: 1 %, loss 71.0000, 1:02:05 left",
        "train: 1 %, loss 141.0000, 1:02:05 left",
    ]


def test_what_a_step_measured_is_written_once_when_it_ends(clock: Clock, console: Console) -> None:
    plain = PlainDisplay(console)
    plain.show(_running(99))
    for _ in range(3):
        plain.show(job_of([TRAIN, ONNX], [TRAINED]))
    measured = "accuracy 0.9800, loss 0.1000, latency 300.000 ms, size 300.0 kB, parameters 75,000, after 0:00:10"
    assert _lines(console)[1:] == [f"train: {measured}"]


def test_what_an_earlier_run_did_is_not_told_again(clock: Clock, console: Console) -> None:
    PlainDisplay(console).show(job_of([TRAIN, ONNX], [TRAINED]))
    assert _lines(console) == []


def test_terminal_shows_every_step_and_what_ended_above(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    with LiveDisplay(console) as live:
        live.show(_running(41, loss=0.25))
        live.show(job_of([TRAIN, ONNX], [TRAINED, StepStatus(name="onnx")]))
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "41 %, loss 0.2500" in drawn
    assert "train: accuracy 0.9800" in drawn
