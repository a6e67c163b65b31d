"""Results and faults: what fits into a termination message, who is at fault, and with which exit code."""

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.api.contract import Fault, StepResult
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.faults import (
    exit_code,
    failure,
    fault_of_error,
    fault_of_exit,
    first_at_fault,
)
from trainwright_trainers.runtime.results import fit, write_termination_message

TEXTS = st.text(max_size=3000)


@settings(deadline=None)  # of a shared machine nothing is promised
@given(
    message=TEXTS, notes=st.lists(TEXTS, max_size=8), details=st.dictionaries(st.text(max_size=20), TEXTS, max_size=5)
)
def test_any_result_fits_and_stays_json(message: str, notes: list[str], details: dict[str, str]) -> None:
    fault = Fault(kind="ValueError", message=message, rank=3, exit_code=1, time=datetime.now(UTC))
    content = fit(StepResult(outcome="Failed", fault=fault, training_step=7, notes=notes, details=details))
    assert len(content) <= 4096
    found = StepResult.model_validate_json(content)
    assert found.fault is not None
    assert (found.fault.kind, found.fault.rank, found.training_step) == ("ValueError", 3, 7)
    assert message.startswith(found.fault.message.removesuffix("…"))


def test_what_fits_is_not_cut() -> None:
    result = StepResult(outcome="Succeeded", notes=["a note"], details={"largest": 1.0})
    assert StepResult.model_validate_json(fit(result)) == result


def test_details_go_before_the_message() -> None:
    fault = Fault(kind="ValueError", message="m" * 1000)
    found = json.loads(fit(StepResult(outcome="Failed", fault=fault, details={"x": "y" * 4000})))
    assert found["details"] == {}
    assert found["fault"]["message"] == "m" * 1000


def test_a_termination_log_that_is_mounted_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    inode = path.stat().st_ino
    write_termination_message(StepResult(outcome="Stopped"), path)
    assert path.stat().st_ino == inode
    write_termination_message(StepResult(outcome="Stopped"), tmp_path / "no" / "such" / "folder")


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (StepResult(outcome="Succeeded"), 0),
        (StepResult(outcome="Stopped"), 143),
        (failure(fault_of_error(ConfigurationError("no"))), 2),
        (failure(fault_of_error(OSError("no"))), 1),
        (failure(fault_of_exit(-signal.SIGSEGV, 0)), 139),
        (failure(fault_of_exit(3, 0)), 3),
        (failure(fault_of_exit(0, 0)), 1),
    ],
)
def test_exit_codes(result: StepResult, code: int) -> None:
    assert exit_code(result) == code


def test_the_first_that_does_not_follow_from_another_is_at_fault() -> None:
    lost = failure(fault_of_error(RuntimeError("Connection reset by peer"), rank=0, secondary=True))
    ended = failure(fault_of_exit(-signal.SIGTERM, 1))
    cause = failure(fault_of_error(KeyError("label"), rank=2))
    later = failure(fault_of_error(ValueError("other"), rank=3))
    assert first_at_fault([lost, ended, cause, later]) is cause
    assert first_at_fault([ended, lost]) is ended


def test_an_errors_lines_become_one() -> None:
    fault = fault_of_error(RuntimeError("Error(s) in loading:\n\tMissing key(s)\n" + "x" * 5000))
    assert fault.message.startswith("Error(s) in loading: Missing key(s) x")
    assert len(fault.message) == 1500
