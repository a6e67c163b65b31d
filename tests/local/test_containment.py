"""Nothing that a run has started outlives it, however it ends."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.local.runs import Run, manifest, processes_of, wait_for

Start = Callable[..., Run]


def _stubborn_step(mark: Path) -> dict[str, object]:
    """Processes with sessions of their own, without parents and deaf to SIGTERM; the mark is among their arguments."""
    sleep = f"python -c 'import time; time.sleep(600)' {mark}"
    deaf = f"python -c 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)' {mark}"
    script = f"setsid {sleep} & (setsid nohup {sleep} >/dev/null 2>&1 &) ; {deaf}"
    return {"name": "a", "run": {"command": ["bash", "-c", script]}}


def _start_stubborn(start: Start, mark: Path) -> tuple[Run, list[psutil.Process]]:
    template = {"spec": {"terminationGracePeriodSeconds": 1}}
    run = start(manifest([_stubborn_step(mark)], workers={"replicas": 2, "template": template}))
    # Three programs in each of two workers, and the supervisors, which were given the script that has the mark in it.
    wait_for(lambda: len(processes_of(mark)) >= 8)
    return run, processes_of(mark)


def test_killed_runner_leaves_no_process(start: Start, tmp_path: Path) -> None:
    run, _ = _start_stubborn(start, tmp_path / "mark")
    os.kill(run.process.pid, signal.SIGKILL)
    wait_for(lambda: not processes_of(tmp_path / "mark"), 20)


def test_killed_supervisor_counts_as_a_failure_and_its_group_is_stopped(start: Start, tmp_path: Path) -> None:
    body = manifest(
        [{"name": "a", "run": {"command": ["python", "-c", "import time; time.sleep(600)", str(tmp_path / "mark")]}}],
        workers={"replicas": 2, "template": {"spec": {"terminationGracePeriodSeconds": 1}}},
        runPolicy={"backoffLimit": 0},
    )
    run = start(body)
    wait_for(lambda: len(processes_of(tmp_path / "mark")) >= 4)
    supervisor = psutil.Process(run.process.pid).children()[0]
    supervisor.kill()
    assert run.wait() == 1
    assert "exit code 137" in run.said
    assert not processes_of(tmp_path / "mark")


def test_second_interrupt_kills_what_does_not_stop(start: Start, tmp_path: Path) -> None:
    template = {"spec": {"terminationGracePeriodSeconds": 600}}
    run = start(manifest([_stubborn_step(tmp_path / "mark")], workers={"template": template}))
    wait_for(lambda: len(processes_of(tmp_path / "mark")) >= 4)
    run.interrupt()
    wait_for(lambda: '"suspend": true' in (run.output / "trainingjob.json").read_text())
    run.interrupt()
    assert run.wait(900) == 130
    assert not processes_of(tmp_path / "mark")


def test_finished_step_leaves_no_process(start: Start, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"setsid nohup python -c 'import time; time.sleep(600)' {mark} >/dev/null 2>&1 & sleep 0.5"
    run = start(manifest([{"name": "a", "run": {"command": ["bash", "-c", script]}}]))
    assert run.wait() == 0, run.said
    assert not processes_of(mark)
