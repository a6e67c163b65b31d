"""What becomes of failing workers, and what the user is told."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.local.runs import Run, manifest, python_step

Start = Callable[..., Run]


def test_bad_configuration_is_not_tried_again(start: Start) -> None:
    program = "import sys; print('the flag --x is not known', file=sys.stderr); sys.exit(2)"
    run = start(manifest([python_step("a", program)]))
    assert run.wait() == 2
    assert run.said.count("begins") == 1
    assert "Failed (InvalidConfiguration)" in run.said
    assert "the flag --x is not known" in run.said


def test_same_error_three_times_at_the_same_training_step_ends_the_job(start: Start) -> None:
    program = (
        "import json, os, pathlib, sys\n"
        "fault = {'kind': 'RuntimeError', 'message': 'always the same', 'rank': 0}\n"
        "result = {'outcome': 'Failed', 'trainingStep': 7, 'fault': fault}\n"
        "pathlib.Path(os.environ['TRAINWRIGHT_TERMINATION_LOG']).write_text(json.dumps(result))\n"
        "sys.exit(1)\n"
    )
    run = start(manifest([python_step("a", program)], runPolicy={"backoffLimit": 50}))
    assert run.wait() == 1
    assert run.said.count("begins") == 3
    assert "RepeatedFailure" in run.said
    assert "RuntimeError: always the same" in run.said


def test_failures_beyond_the_backoff_limit_end_the_job(start: Start) -> None:
    program = "import time; raise RuntimeError(f'never the same: {time.time()}')"
    run = start(manifest([python_step("a", program)], runPolicy={"backoffLimit": 1}))
    assert run.wait() == 1
    assert run.said.count("begins") == 2
    assert "BackoffLimitExceeded" in run.said


def test_failed_worker_is_named_and_its_group_runs_again_as_a_whole(start: Start, tmp_path: Path) -> None:
    tried = str(tmp_path / "tried")
    program = (
        "import os, pathlib, sys, time\n"
        "index = os.environ['TRAINWRIGHT_INDEX']\n"
        "print('worker', index, flush=True)\n"
        f"if index == '1' and not pathlib.Path({tried!r}).exists():\n"
        f"    pathlib.Path({tried!r}).touch()\n"
        "    raise OSError('lost the disk')\n"
    )
    run = start(manifest([python_step("a", program, distributed=True)], workers={"replicas": 2}))
    assert run.wait() == 0, run.said
    assert "worker 1 failed with exit code 1: OSError: lost the disk" in run.said
    assert (run.output / "logs" / "job-a-0.log").read_text().count("worker 0") == 2, "both workers ran twice"
    assert json.loads((run.output / "trainingjob.json").read_text())["status"]["restarts"] == 1


def test_killed_worker_is_reported_by_its_signal(start: Start) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    run = start(manifest([python_step("a", program)], runPolicy={"backoffLimit": 0}))
    assert run.wait() == 1
    assert "exit code 137" in run.said


def test_command_that_does_not_exist_is_named(start: Start) -> None:
    step = {"name": "a", "run": {"command": ["no-such-program"]}}
    run = start(manifest([step], runPolicy={"backoffLimit": 0}))
    assert run.wait() == 1
    assert "can not run no-such-program: No such file or directory" in run.said


def test_deadline_ends_the_job_and_its_workers(start: Start) -> None:
    body = manifest([python_step("a", "import time; time.sleep(600)")], runPolicy={"activeDeadlineSeconds": 1})
    run = start(body)
    assert run.wait(900) == 1
    assert "DeadlineExceeded" in run.said
