"""When attempts began and ended, from whatever is known of them."""

from typing import Any

import pytest

from tests.report.build import BEGIN, failure, moment
from trainwright.api.status import StepStatus
from trainwright.report.attempts import Attempt, read_attempts


def _status(**changes: Any) -> StepStatus:
    return StepStatus(name="train", state="Succeeded", start_time=moment(0), completion_time=moment(30)).model_copy(
        update=changes
    )


def _event(event: str, seconds: float, **facts: Any) -> dict[str, Any]:
    return {"event": event, "time": BEGIN + seconds, **facts}


def _times(attempts: list[Attempt]) -> list[tuple[float, float | None, str]]:
    return [
        (attempt.began - BEGIN, None if attempt.ended is None else attempt.ended - BEGIN, attempt.outcome)
        for attempt in attempts
    ]


ENDED = _event("ended", 9.5, outcome="Failed", message="SIGKILL")
RESUMED = _event("resumed", 13.0, step=200, undoneSteps=37, undoneSeconds=4.5)

CASES = {
    "a journal with all": (
        [_event("started", 1), ENDED, _event("started", 11), RESUMED, _event("ended", 29, outcome="Succeeded")],
        _status(failures=[failure(10)]),
        [(1, 9.5, "Failed"), (11, 29, "Succeeded")],
    ),
    "a pod that was killed as a whole": (
        [_event("started", 1), _event("started", 11), _event("ended", 29, outcome="Succeeded")],
        _status(failures=[failure(10)]),
        [(1, 10, "Failed"), (11, 29, "Succeeded")],
    ),
    "killed, and nobody saw when": (
        [_event("started", 1), _event("started", 11), _event("ended", 29, outcome="Succeeded")],
        _status(),
        [(1, 11, "Failed"), (11, 29, "Succeeded")],
    ),
    "stopped on request and resumed": (
        [_event("started", 1), _event("ended", 5, outcome="Stopped"), _event("started", 25), RESUMED],
        _status(state="Running", completion_time=None),
        [(1, 5, "Stopped"), (25, None, "Running")],
    ),
    "the status alone": ([], _status(failures=[failure(10)]), [(0, 10, "Failed"), (10, 30, "Succeeded")]),
    "the status alone, failed": (
        [],
        _status(state="Failed", failures=[failure(10), failure(30)]),
        [(0, 10, "Failed"), (10, 30, "Failed")],
    ),
    "not begun": ([], StepStatus(name="train"), []),
    "clocks that disagree": (
        [_event("started", 20), _event("ended", 15, outcome="Succeeded")],
        _status(),
        [(20, 20, "Succeeded")],
    ),
    "a journal full of rubbish": (
        [None, {}, {"event": "started"}, _event("ended", 3), _event("started", 4), _event("ended", 5, outcome=["x"])],
        _status(),
        [(4, 5, "Failed")],
    ),
}


@pytest.mark.parametrize(("events", "status", "expected"), CASES.values(), ids=CASES)
def test_attempts_have_their_times_and_outcomes(events: Any, status: StepStatus, expected: Any) -> None:
    assert _times(read_attempts(events, status)) == expected


def test_what_a_restart_undid_belongs_to_the_attempt_that_does_it_again() -> None:
    events = [_event("started", 1), ENDED, _event("started", 11), RESUMED]
    first, second = read_attempts(events, _status(failures=[failure(10, "worker 0: SIGKILL")]))
    assert (first.undone_steps, first.message) == (0, "worker 0: SIGKILL")
    assert (second.resumed_at, second.undone_steps, second.undone_seconds) == (200, 37, 4.5)


def test_workers_that_meet_anew_in_place_are_no_further_attempt() -> None:
    again = [_event("resumed", seconds, step=300, undoneSteps=2, undoneSeconds=0.5) for seconds in (15.0, 20.0)]
    first, second = read_attempts([_event("started", 1), *again, _event("started", 25), RESUMED, *again], _status())
    assert (first.resumed_at, first.reformed, first.undone_steps, first.undone_seconds) == (None, 2, 4, 1.0)
    assert (second.resumed_at, second.reformed, second.undone_steps) == (200, 2, 41)
