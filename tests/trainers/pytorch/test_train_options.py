"""Options of distributed training, in real processes: compilation, scaling, timeouts."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.runs import QUICK, Job, pods, run_group, run_here

pytestmark = pytest.mark.slow

SMALL = {"factory": "trainwright_trainers.pytorch.models:vit", "args": {"width": 16, "depth": 1, "heads": 2}}
"""Compiling takes long, and longer for larger models."""
BRIEF = {"epochs": 1, "batchSize": 64, "optimizer": QUICK}
TIMEOUT = 10
"""Seconds that a process may stand still."""
IN_TIME = 3 * TIMEOUT
"""Seconds from a halt until the group's processes are gone: the timeout, their end, and a busy machine."""


def test_a_model_without_blocks_is_not_compiled_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, result = run_here(Job(tmp_path / "job", BRIEF | {"compile": True}), monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert result.fault.message.startswith("spec.steps[train].train.compile: the model has no blocks to compile")


def test_a_compiled_training_computes_the_same(tmp_path: Path) -> None:
    # One process compiles for itself, so that none is left when the test ends; both trainings share what is compiled.
    environment = {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    options = BRIEF | {"batchSize": 619}
    compiled = Job(tmp_path / "compiled", options | {"compile": True}, SMALL, environment=environment)
    plain = Job(tmp_path / "plain", options, SMALL)
    ended = run_group(compiled)
    assert ended.exit_code == 0, ended.log
    assert run_group(plain).exit_code == 0
    # The compiler fuses operations and so rounds at other places.
    np.testing.assert_allclose(list(compiled.losses().values()), list(plain.losses().values()), rtol=1e-4)
    assert any((tmp_path / "inductor").iterdir()), "nothing was compiled"


def test_batch_and_rate_follow_the_processes_and_a_resumed_schedule_fits_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaling = {"referenceProcesses": 2, "learningRate": "linear"}
    options = {
        "epochs": 4,
        "batchSize": 64,
        "optimizer": {"name": "SGD", "learningRate": 0.1},
        "schedule": {"name": "OneCycleLR", "args": {"max_lr": 0.4}},
        "scaling": scaling,
        "checkpoint": {"everySteps": 10},
    }
    whole = Job(tmp_path / "whole", options)
    assert run_here(whole, monkeypatch)[0] == 0
    assert len(whole.losses()) == 4 * 39  # 1238 samples in batches of 32, for the one process
    halted = Job(tmp_path / "halted", options | {"loss": "tests.trainers.user_code:loss_that_stops"})
    environment = {"ONCE": str(tmp_path / "once"), "AT": "42", "AT_RANK": "0"}
    with pods(Job(halted.root, halted.train, environment=environment), processes=2) as (pod,):
        stopped = pod.wait()
    assert stopped.exit_code == 143, stopped.log
    at = stopped.result.training_step
    assert at is not None
    assert 40 <= at < 80
    resumed = Job(halted.root, options)
    code, result = run_here(resumed, monkeypatch)
    assert (code, result.resumed_from) == (0, at)
    rates = {record["step"]: record["learningRate"] for record in resumed.history() if "learningRate" in record}
    reference = [record["learningRate"] for record in whole.history() if "learningRate" in record]
    # Two processes do a step where one does two, at twice the rate.
    assert rates[1] == pytest.approx(2 * reference[0])
    assert rates[20] == pytest.approx(2 * reference[38], rel=0.1)
    # From then on, the one process is where it would be had it been alone from the beginning.
    assert list(rates.values())[at:] == pytest.approx(reference[-(len(rates) - at) :])
    assert len(rates) - at == 4 * 39 - (at // 20 * 39 + (at % 20) * 2)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_halted_process_ends_the_group_in_time_and_is_named(rank: int, tmp_path: Path) -> None:
    job = Job(tmp_path / "job", BRIEF | {"epochs": 100_000, "collectives": {"timeoutSeconds": TIMEOUT}})
    with pods(job, processes=3) as (pod,):
        _wait_until(lambda: (job.directory / "history.jsonl").exists() and len(job.history()) > 20)
        worker = next(process for process in pod.workers() if process.environ().get("RANK") == str(rank))
        worker.send_signal(signal.SIGSTOP)
        halted = time.monotonic()
        ended = pod.wait()
        assert time.monotonic() - halted < IN_TIME
        assert not worker.is_running()
    assert ended.exit_code == 1
    fault = ended.result.fault
    assert fault is not None
    assert (fault.kind, fault.rank, fault.secondary) == ("HungProcess", rank, False)
    assert fault.message.startswith(f"rank {rank} gave no sign of life while the others waited 10 s for it")
    assert "collectives.timeoutSeconds is 10" in fault.message


def test_a_process_that_is_stuck_in_its_own_code_is_named(tmp_path: Path) -> None:
    environment = {"ONCE": str(tmp_path / "once"), "AT": "10", "AT_RANK": "1"}
    collectives = {"timeoutSeconds": TIMEOUT, "nccl": [{"name": "NCCL_DEBUG", "value": "WARN"}]}
    options = BRIEF | {"loss": "tests.trainers.user_code:loss_that_waits", "collectives": collectives}
    ended = run_group(Job(tmp_path / "job", options, environment=environment), 2)
    assert time.time() - (tmp_path / "once").stat().st_mtime < IN_TIME
    assert ended.exit_code == 1
    assert ended.result.fault is not None
    assert (ended.result.fault.kind, ended.result.fault.rank) == ("HungProcess", 1)
    assert ended.result.fault.message.startswith("rank 1 stood still while the others waited 10 s for it")
    assert (tmp_path / "once").read_text() == "WARN", "NCCL's settings are those of every process"


def _wait_until(condition: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)
