"""Whether a failed step is tried again, and when."""

from datetime import timedelta
from typing import Any

import pytest

from tests.planning.build import NOW, SCRIPT, TRAIN
from trainwright.api.status import FailureRecord, StepStatus
from trainwright.api.steps import Step
from trainwright.planning.restarts import KEPT_RECORDS, give_up_reason, record_failure, restart_time

TRAIN_STEP, SCRIPT_STEP = (Step.model_validate(step) for step in (TRAIN, SCRIPT))


def error(message: str = "worker 0 failed", training_step: int | None = 100, cause: Any = "Error") -> FailureRecord:
    return FailureRecord(attempt=0, time=NOW, cause=cause, message=message, training_step=training_step)


DISRUPTION = error("worker 0 was ended from outside", None, "Disruption")


def after(*records: FailureRecord) -> StepStatus:
    status = StepStatus(name="train")
    for number, record in enumerate(records, 1):
        status = record_failure(status, record.model_copy(update={"attempt": number}))
    return status


def verdict(*records: FailureRecord, limit: int = 3, permanent: bool = False, step: Step = TRAIN_STEP) -> str | None:
    reason = give_up_reason(step, after(*records), permanent, limit)
    return reason[0] if reason else None


@pytest.mark.parametrize(
    ("records", "limit", "expected"),
    [
        pytest.param([error()], 3, None, id="the first failure is followed by another attempt"),
        pytest.param([error()], 0, "BackoffLimitExceeded", id="no restarts allowed"),
        pytest.param(
            [error("a"), error("b"), error("c"), error("d")], 3, "BackoffLimitExceeded", id="one failure too many"
        ),
        pytest.param([error("a"), error("b"), error("c")], 3, None, id="as many restarts as are allowed"),
        pytest.param([DISRUPTION] * 30, 0, None, id="disruptions never end a job"),
        pytest.param([DISRUPTION, error()], 1, None, id="disruptions don't count"),
        pytest.param([error()] * 3, 99, "RepeatedFailure", id="the same error at the same step three times"),
        pytest.param([error()] * 2, 99, None, id="twice may be chance"),
        pytest.param([error(training_step=step) for step in (100, 100, 200)], 99, None, id="another step"),
        pytest.param([error(), error("b"), error(), error()], 99, None, id="not one after the other"),
        pytest.param([error(), error(), DISRUPTION, error()], 99, "RepeatedFailure", id="a disruption between"),
        pytest.param([error(), error(), error(), DISRUPTION], 99, None, id="the last one came from outside"),
        pytest.param(
            [
                error(f"worker {index} failed with exit code 1 in rank {2 * index}: Bad: at 0x7f{index}a")
                for index in range(3)
            ],
            99,
            "RepeatedFailure",
            id="whichever worker meets it first",
        ),
        pytest.param(
            [error(f"worker 0 failed with exit code {code}") for code in (1, 137, 139)], 99, None, id="three errors"
        ),
    ],
)
def test_giving_up(records: list[FailureRecord], limit: int, expected: str | None) -> None:
    assert verdict(*records, limit=limit) == expected


def test_a_permanent_failure_ends_it_at_once() -> None:
    assert verdict(error(), permanent=True, limit=99) == "InvalidConfiguration"


def test_a_users_program_that_says_nothing_of_its_progress_has_all_its_attempts() -> None:
    quiet = [error("worker 0 failed with exit code 1: lost connection", None)] * 3
    assert verdict(*quiet, limit=9, step=SCRIPT_STEP) is None
    assert verdict(*quiet, limit=9, step=TRAIN_STEP) == "RepeatedFailure"


def test_a_users_program_that_tells_its_progress_is_held_to_it() -> None:
    assert verdict(*[error()] * 3, limit=9, step=SCRIPT_STEP) == "RepeatedFailure"


def test_the_message_says_how_often_and_why() -> None:
    reason = give_up_reason(TRAIN_STEP, after(error("a"), error("boom")), False, 1)
    assert reason == ("BackoffLimitExceeded", "failed 2 times (backoffLimit 1): boom")


def test_old_records_are_dropped_but_still_count() -> None:
    status = after(*(error(str(number)) for number in range(25)))
    assert len(status.failures) == KEPT_RECORDS
    assert status.failures[-1].attempt == 25
    assert status.failed_attempts == 25


@pytest.mark.parametrize(
    ("training_steps", "seconds"),
    [
        ([100], 0),
        ([100, 200], 0),
        ([100, 100], 1),
        ([100, 100, 100], 2),
        ([100, 200, 200], 1),
        ([None, None, None, None], 4),
        ([300, 100], 1),
        ([None, 100], 0),
        ([100] * 40, 256),
    ],
)
def test_the_delay_doubles_while_nothing_is_gained(training_steps: list[int | None], seconds: int) -> None:
    failures = after(*(error(training_step=step) for step in training_steps)).failures
    assert restart_time(failures) - NOW == timedelta(seconds=seconds)
