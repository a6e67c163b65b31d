"""Which share of a job's time brought it on."""

from typing import Any

import pytest

from trainwright.metrics.goodput import LOSSES, goodput

PHASE_SECONDS = {"pending": 10, "running": 60, "restarting": 20, "suspended": 1000}
RUNNING: dict[str, Any] = {
    "phase": "Running",
    "phaseSince": "2026-01-01T00:00:00Z",
    "phaseSeconds": PHASE_SECONDS,
    "currentStep": "train",
}
SINCE = 1767225600.0


def test_time_in_which_the_workers_ran_is_productive_unless_they_say_otherwise() -> None:
    good = goodput(RUNNING, SINCE + 40)
    assert (good.elapsed, good.productive) == (130, 100)
    assert {cause: seconds for cause, seconds in good.lost.items() if seconds} == {"queue": 10, "restart": 20}
    assert set(good.lost) == set(LOSSES)


def test_what_trainers_lost_is_no_longer_productive() -> None:
    told = {"start": 5.0, "replay": 15.0, "checkpoint": 1.0}
    steps = [{"name": "before", "lost": {"start": 4.0}}, {"name": "train", "lost": {"start": 1.0}}]
    good = goodput(RUNNING | {"steps": steps, "progress": {"lost": told}}, SINCE + 40)
    assert good.lost["start"] == 9.0, "the running step's newest word counts, and the other steps' last"
    assert (good.lost["replay"], good.lost["checkpoint"]) == (15.0, 1.0)
    assert good.productive == 75.0
    assert good.elapsed == pytest.approx(good.productive + sum(good.lost.values()))
    assert good.ratio == pytest.approx(75 / 130)


def test_the_time_of_a_finished_job_stands_still() -> None:
    done = {"phase": "Complete", "phaseSince": "2026-01-01T00:00:00Z", "phaseSeconds": PHASE_SECONDS}
    assert goodput(done, SINCE + 1e6).elapsed == 90


def test_no_time_has_no_ratio() -> None:
    assert goodput({}, SINCE).ratio is None
