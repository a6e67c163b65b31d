"""Conditions move as Kubernetes' own do, and the phase is the one word that is made from them."""

from datetime import timedelta
from typing import Any

import pytest

from tests.planning.build import NOW
from trainwright.api.status import Condition
from trainwright.planning.conditions import is_finished, is_true, phase_of, set_condition

LATER = NOW + timedelta(minutes=1)


def set_one(conditions: list[Condition], kind: Any, holds: bool, reason: str = "Why") -> list[Condition]:
    return set_condition(conditions, kind, holds, reason, "words", LATER, 7)


def made(kind: Any, holds: bool) -> Condition:
    return Condition(type=kind, status="True" if holds else "False", reason="Old", last_transition_time=NOW)


def test_the_time_moves_when_the_truth_changes() -> None:
    (changed,) = set_one([made("Running", True)], "Running", False)
    assert (changed.status, changed.last_transition_time) == ("False", LATER)


def test_the_time_stays_when_only_the_reason_changes() -> None:
    (changed,) = set_one([made("Running", False)], "Running", False, "Other")
    assert (changed.reason, changed.message, changed.last_transition_time) == ("Other", "words", NOW)
    assert changed.observed_generation == 7


def test_what_never_was_true_is_not_mentioned_as_false() -> None:
    assert set_one([], "Suspended", False) == []
    assert set_one([], "Failed", False) == []


def test_that_nothing_runs_yet_is_said_with_its_reason() -> None:
    (changed,) = set_one([], "Running", False)
    assert (changed.status, changed.reason) == ("False", "Why")


def test_the_order_stays() -> None:
    conditions = [made("Running", True), made("Restarting", False)]
    assert [item.type for item in set_one(conditions, "Running", False)] == ["Running", "Restarting"]


@pytest.mark.parametrize(
    ("true", "stopping", "phase"),
    [
        ([], False, "Pending"),
        (["Running"], False, "Running"),
        (["Restarting"], False, "Restarting"),
        (["Suspended"], False, "Suspended"),
        (["Running"], True, "Suspending"),
        (["Complete"], False, "Complete"),
        (["Failed"], True, "Failed"),
    ],
)
def test_phase(true: list[str], stopping: bool, phase: str) -> None:
    conditions = [made(kind, kind in true) for kind in ("Running", "Restarting", "Suspended", "Complete", "Failed")]
    assert phase_of(conditions, stopping) == phase
    assert is_finished(conditions) == (phase in ("Complete", "Failed"))
    assert all(is_true(conditions, kind) for kind in true)  # type: ignore[arg-type]
