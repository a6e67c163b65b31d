"""When a changed status is written."""

from itertools import pairwise
from typing import Any

import pytest

from tests.controller.conftest import Clock
from trainwright.controller.pace import Pace
from trainwright.controller.tidings import CALM_SECONDS, PROGRESS_SECONDS, STARTS_A_SECOND, WAITING_A_SECOND, Tidings

KEY = ("default", "digits")
PENDING: dict[str, Any] = {"phase": "Pending", "steps": [{"name": "train", "failures": []}]}
RUNNING = PENDING | {"phase": "Running"}
FAILED_ONCE = PENDING | {"steps": [{"name": "train", "failures": [{"attempt": 1}]}]}
COMPLETE = RUNNING | {"phase": "Complete", "completionTime": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("after", [FAILED_ONCE, COMPLETE])
def test_what_can_not_be_seen_again_is_written_at_once(clock: Clock, after: dict[str, Any]) -> None:
    assert Tidings().delay(KEY, PENDING, after) == 0


def test_a_phase_that_has_lasted_is_written(clock: Clock) -> None:
    tidings = Tidings()
    assert tidings.delay(KEY, {}, PENDING) == pytest.approx(CALM_SECONDS)
    clock.now += CALM_SECONDS
    assert tidings.delay(KEY, {}, PENDING) == 0


def test_a_phase_that_has_just_begun_must_last_too(clock: Clock) -> None:
    tidings = Tidings()
    tidings.delay(KEY, {}, PENDING)
    clock.now += CALM_SECONDS - 0.5
    assert tidings.delay(KEY, {}, RUNNING) == pytest.approx(CALM_SECONDS)


def test_progress_alone_is_written_seldom(clock: Clock) -> None:
    tidings, further = Tidings(), RUNNING | {"progress": {"percent": 7}}
    tidings.told(KEY)
    clock.now += CALM_SECONDS + 1
    assert tidings.delay(KEY, RUNNING, further) == pytest.approx(PROGRESS_SECONDS - CALM_SECONDS - 1)
    clock.now += PROGRESS_SECONDS
    assert tidings.delay(KEY, RUNNING, further) == 0


def test_a_crowd_is_told_of_one_by_one_and_those_that_start_sooner(clock: Clock) -> None:
    tidings, keys = Tidings(), [("default", f"job-{number}") for number in range(30)]
    for key in keys:
        tidings.delay(key, {}, PENDING)
    clock.now += CALM_SECONDS
    delays = [tidings.delay(key, {}, PENDING) for key in keys]
    assert delays == pytest.approx([number / WAITING_A_SECOND for number in range(30)])
    assert tidings.delay(keys[-1], {}, PENDING) == delays[-1], "the place in the queue is kept"
    for key in keys:
        tidings.delay(key, PENDING, RUNNING)
    clock.now += CALM_SECONDS
    delays = [tidings.delay(key, PENDING, RUNNING) for key in reversed(keys)]
    assert delays == pytest.approx([number / STARTS_A_SECOND for number in range(30)])


def test_a_pace_hands_out_moments_that_are_apart(clock: Clock) -> None:
    pace = Pace(2.0)
    assert [pace.reserve() - clock.now for _ in range(3)] == [0, 0.5, 1]
    clock.now += 10
    assert pace.reserve() == clock.now


def test_an_hour_of_progress_costs_a_write_every_fifteen_seconds_and_none_while_nothing_changes(clock: Clock) -> None:
    tidings, told, writes, begun = Tidings(), RUNNING, [], clock.now
    tidings.told(KEY)
    while clock.now < begun + 3600:
        clock.now += 0.25
        percent = int((clock.now - begun) / 36) if clock.now < begun + 1800 else 50  # half an hour later it hangs
        seen = RUNNING | {"progress": {"percent": percent, "trainingStep": min(int(clock.now), int(begun) + 1800)}}
        if seen != told and tidings.delay(KEY, told, seen) == 0:
            told = seen
            tidings.told(KEY)
            writes.append(clock.now)
    assert 110 <= len(writes) <= 120
    assert min(later - earlier for earlier, later in pairwise(writes)) >= PROGRESS_SECONDS
    assert max(writes) <= begun + 1800 + PROGRESS_SECONDS
