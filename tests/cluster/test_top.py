"""`trainwright top` and `trainwright report --job` on a cluster."""

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed import ControlPlane
from tests.cluster.pods import End, Worker, success
from tests.cluster.trainingjobs import PRUNE, TRAIN, TrainingJobs
from tests.local.runs import TRAINWRIGHT

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(installed: ControlPlane, tmp_path: Path) -> dict[str, str]:
    """A user's, with a kubeconfig."""
    return {
        **os.environ,
        "KUBECONFIG": str(installed.kubeconfig()),
        "HOME": str(tmp_path),
        "COLUMNS": "200",
        "LINES": "40",
    }


@pytest.fixture
def trainwright(environment: dict[str, str], tmp_path: Path) -> Command:
    """Runs the command."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*TRAINWRIGHT, *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def _behave(worker: Worker) -> End | None:
    return success(worker, accuracy=0.93) if worker.step == "train" else None


def test_top_shows_the_jobs_of_the_namespaces_that_were_asked_for(jobs: TrainingJobs, trainwright: Command) -> None:
    jobs.create("digits", TRAIN, PRUNE, replicas=2, behave=_behave)
    jobs.create("idle", TRAIN, runPolicy={"suspend": True})
    jobs.wait_for(
        "digits", lambda status: status.get("currentStep") == "prune" and status["phase"] == "Running", "prunes"
    )
    jobs.wait_for("idle", lambda status: status.get("phase") == "Suspended", "is suspended")
    shown = trainwright("top", "--once", "-n", jobs.namespace)
    assert shown.returncode == 0, shown.stderr
    headings, digits, idle = shown.stdout.splitlines()
    assert headings.startswith("NAMESPACE")
    assert digits.split()[:4] == [jobs.namespace, "digits", "Running", "1/2"]
    assert digits.split()[-3:] == ["prune", "2/2", "0.9300"]
    assert "Suspended" in idle
    everywhere = trainwright("top", "--once", "--all-namespaces").stdout
    assert digits.split()[0] in everywhere
    assert jobs.namespace not in trainwright("top", "--once").stdout, "the kubeconfig's namespace is another one"


def test_top_in_a_terminal_follows_the_jobs_until_ctrl_c(jobs: TrainingJobs, environment: dict[str, str]) -> None:
    jobs.create("first", TRAIN, behave=lambda worker: None)
    ours, theirs = pty.openpty()
    command = [*TRAINWRIGHT, "top", "-n", jobs.namespace, "--interval", "0.5"]
    process = subprocess.Popen(command, env=environment | {"TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        assert "first" in _read_until(ours, "first")
        jobs.create("second", TRAIN, behave=lambda worker: None)
        _read_until(ours, "second")
        process.send_signal(signal.SIGINT)
        rest = _read_until(ours, "\x1b[?1049l")
        assert process.wait(60) == 0, rest
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_until(terminal: int, words: str, seconds: float = 120) -> str:
    """What is written to the terminal until the words are."""
    end, said = time.monotonic() + seconds, b""
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            try:
                said += os.read(terminal, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
        if words.encode() in said:
            return said.decode(errors="replace")
    raise AssertionError(f"waited in vain for {words!r} in {said.decode(errors='replace')[-2000:]}")


def test_report_of_a_job_on_the_cluster_tells_what_its_status_holds(
    jobs: TrainingJobs, trainwright: Command, tmp_path: Path
) -> None:
    jobs.create("digits", TRAIN, replicas=2, behave=lambda worker: success(worker, accuracy=0.93))
    jobs.wait_for("digits", lambda status: status.get("phase") == "Complete", "is complete")
    made = trainwright("report", "--job", "digits", "--namespace", jobs.namespace)
    assert (made.returncode, made.stdout) == (0, "report.html\n"), made.stderr
    page = (tmp_path / "report.html").read_text()
    assert "<title>digits: Complete - trainwright report</title>" in page
    assert "0.9300" in page
    missing = trainwright("report", "--job", "none", "--namespace", jobs.namespace)
    assert missing.returncode == 1
    assert 'trainingjobs.trainwright.dev "none" not found' in missing.stderr
