"""Stopping a run and going on with it."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.local.runs import Run, manifest, python_step, wait_for

Start = Callable[..., Run]

# Counts to 20 slowly, saves where it is when it is asked to stop, and goes on from there.
COUNTER = """
import os, pathlib, signal, sys, time
saved = pathlib.Path(os.environ["TRAINWRIGHT_CHECKPOINTS"]) / "count"
saved.parent.mkdir(parents=True, exist_ok=True)
count = int(saved.read_text()) if saved.exists() else 0
print("from", count, flush=True)
def stop(*_):
    saved.write_text(str(count))
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
while count < 20:
    time.sleep(0.1)
    count += 1
"""


def _log(run: Run) -> str:
    path = run.output / "logs" / "job-count-0.log"
    return path.read_text() if path.exists() else ""


def test_interrupted_run_saves_and_the_same_command_goes_on(start: Start) -> None:
    body = manifest([python_step("first", "print('first')"), python_step("count", COUNTER)])
    run = start(body)
    wait_for(lambda: "from 0" in _log(run))
    run.interrupt()
    assert run.wait() == 130
    assert "Suspended" in run.said
    stopped_at = int((run.output / "steps" / "count" / "checkpoints" / "count").read_text())
    again = start(body)
    assert again.wait() == 0, again.said
    assert f"from {stopped_at}" in _log(again)
    assert "step first" not in again.said, "a finished step is passed over"
    status = json.loads((again.output / "trainingjob.json").read_text())["status"]
    assert status["restarts"] == 0, "a stop that was asked for is no failure"


def test_complete_run_is_not_run_again(start: Start) -> None:
    body = manifest([python_step("only", "print('ran')")])
    assert start(body).wait() == 0
    again = start(body)
    assert again.wait() == 0
    assert (again.output / "logs" / "job-only-0.log").read_text() == "ran\n"


def test_directory_of_another_job_is_refused(start: Start) -> None:
    assert start(manifest([python_step("only", "print(1)")])).wait() == 0
    other = start(manifest([python_step("only", "print(2)")]))
    assert other.wait() == 2
    assert "spec.steps" in other.said
    assert "can not be changed" in other.said


def test_directory_in_use_is_refused(start: Start) -> None:
    body = manifest([python_step("wait", "import time; time.sleep(600)")])
    first = start(body)
    wait_for(lambda: (first.output / "trainingjob.json").exists())
    second = start(body)
    assert second.wait() == 2
    assert "in use by another run" in second.said


def test_failed_run_is_tried_anew_from_its_failed_step(start: Start, tmp_path: Path) -> None:
    check = f"import pathlib, sys; sys.exit(0 if pathlib.Path({str(tmp_path / 'mended')!r}).exists() else 2)"
    body = manifest([python_step("first", "print('first')"), python_step("second", check)])
    assert start(body).wait() == 2
    (tmp_path / "mended").touch()
    again = start(body)
    assert again.wait() == 0, again.said
    assert (again.output / "logs" / "job-first-0.log").read_text() == "first\n"
