"""Distributed training in real processes: what several processes compute, and what happens when one of them is lost."""

import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.trainers.runs import QUICK, Ended, Job, pods, run_group, run_here

pytestmark = pytest.mark.slow

DROPOUT = {"factory": "trainwright_trainers.pytorch.models:mlp", "args": {"dropout": 0.1}}
"""A model that draws random numbers in every step, other ones in every process."""
GROUP = 3
"""Processes of the trainings that are compared bit for bit: the rounding of a sum of three depends on the order."""
USER = "tests.trainers.user_code"


def training(**changes: object) -> dict[str, object]:
    """Options of a training of 100 steps on 1,238 samples, where no batch has equal shares for two processes."""
    return {"epochs": 5, "batchSize": 65, "optimizer": QUICK, "checkpoint": {"everySteps": 10}} | changes


def acting(root: Path, loss: str, at: int, rank: int, **changes: object) -> Job:
    """A training in which one process does something at one step."""
    environment = {"ONCE": str(root.with_suffix(".once")), "AT": str(at), "AT_RANK": str(rank)}
    return Job(root, training(loss=f"{USER}:{loss}", **changes), DROPOUT, environment=environment)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Ended]:
    """A training that nothing disturbed."""
    job = Job(tmp_path_factory.mktemp("unbroken"), training(), DROPOUT)
    return job, run_group(job, GROUP)


def test_a_group_learns_the_digits(unbroken: tuple[Job, Ended]) -> None:
    job, ended = unbroken
    assert ended.exit_code == 0, ended.log
    assert ended.result.outcome == "Succeeded"
    assert ended.result.metrics.accuracy is not None
    assert ended.result.metrics.accuracy > 0.9
    assert ended.result.training_step == len(job.losses()) == 5 * 20
    assert ended.result.artifact is not None
    assert (job.root / ended.result.artifact.path / "artifact.json").is_file()
    scores = [record["accuracy"] for record in job.history() if "accuracy" in record]
    assert len(scores) == 5
    assert scores[-1] == pytest.approx(ended.result.metrics.accuracy)


def test_a_killed_worker_costs_one_checkpoint_interval_and_changes_nothing(
    unbroken: tuple[Job, Ended], tmp_path: Path
) -> None:
    job = acting(tmp_path / "killed", "loss_that_kills", at=37, rank=1)
    killed = run_group(job, GROUP)
    assert killed.exit_code == 128 + signal.SIGKILL
    fault = killed.result.fault
    assert fault is not None
    assert (fault.kind, fault.rank, fault.exit_code, fault.secondary) == ("SIGKILL", 1, 137, False)

    resumed = run_group(job, GROUP)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from == 30
    reference, _ = unbroken
    assert job.losses() == reference.losses()
    assert job.weights() == reference.weights()


def test_a_stop_saves_where_it_is_and_loses_nothing(unbroken: tuple[Job, Ended], tmp_path: Path) -> None:
    job = acting(tmp_path / "stopped", "loss_that_stops", at=36, rank=0, checkpoint={"everySteps": 1000})
    stopped = run_group(job, GROUP)
    assert stopped.exit_code == 143, stopped.log
    assert stopped.result.outcome == "Stopped"
    assert stopped.result.training_step is not None
    assert 34 <= stopped.result.training_step < 100

    resumed = run_group(job, GROUP)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from == stopped.result.training_step
    reference, _ = unbroken
    assert job.losses() == reference.losses()
    assert job.weights() == reference.weights()


def test_the_number_of_processes_does_not_change_the_mathematics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = training(batchSize=67, gradientAccumulation=3, epochs=2, gradientClipping=1.0)
    alone, together = Job(tmp_path / "alone", options), Job(tmp_path / "together", options)
    assert run_here(alone, monkeypatch)[0] == 0
    assert run_group(together).exit_code == 0
    assert together.losses().keys() == alone.losses().keys()
    np.testing.assert_allclose(list(together.losses().values()), list(alone.losses().values()), rtol=2e-4)


def test_all_processes_hold_the_same_model_and_read_only_their_share(tmp_path: Path) -> None:
    options = training(epochs=1, batchSize=33)
    watch = tmp_path / "watch"
    watch.mkdir()
    model, data = {"factory": f"{USER}:Watched"}, {"factory": f"{USER}:lazy_digits"}
    ended = run_group(Job(tmp_path / "job", options, model, data, environment={"WATCH": str(watch)}))
    assert ended.exit_code == 0, ended.log
    first, second = (np.load(watch / f"rank-{rank}.npy") for rank in range(2))
    np.testing.assert_array_equal(first, second)
    # The trial before the training reads the first samples in each process.
    read = [set((watch / f"train-{rank}.txt").read_text().split()) - {str(n) for n in range(4)} for rank in range(2)]
    assert not read[0] & read[1]
    assert len(read[0] | read[1]) >= 1238 - 8


def test_an_error_of_one_rank_is_told_as_its_own(tmp_path: Path) -> None:
    ended = run_group(acting(tmp_path / "raised", "loss_that_raises", at=5, rank=1))
    assert ended.exit_code == 1
    fault = ended.result.fault
    assert fault is not None
    assert (fault.kind, fault.rank, fault.exit_code, fault.secondary) == ("KeyError", 1, 1, False)
    assert "no such label" in fault.message
    assert "loss_that_raises" in ended.log  # the user needs the traceback of his own code
    assert ended.result.training_step == 2  # the first two calls are rehearsals


def test_killing_the_entry_point_leaves_no_worker(tmp_path: Path) -> None:
    job = acting(tmp_path / "waits", "loss_that_waits", at=3, rank=0)
    with pods(job, processes=2) as (pod,):
        _wait_for(lambda: Path(job.environment["ONCE"]).exists())
        workers = pod.workers()
        assert len(workers) == 2
        pod.process.kill()
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive


def test_a_pod_that_lost_its_peer_says_that_it_only_follows(tmp_path: Path) -> None:
    job = acting(tmp_path / "two-pods", "loss_that_kills", at=3, rank=1)
    with pods(job, nodes=2) as running:
        first, second = (pod.wait() for pod in running)
    assert second.exit_code == 137
    assert first.exit_code == 1
    assert first.result.fault is not None
    assert first.result.fault.secondary, first.result.fault
    assert first.result.fault.rank == 0


def test_a_stop_while_other_pods_are_missing_is_answered_at_once(tmp_path: Path) -> None:
    with pods(Job(tmp_path / "alone", training()), nodes=2, started=1) as (pod,):
        _wait_for(lambda: _listens(pod.process.pid))
        pod.process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        ended = pod.wait()
    assert ended.exit_code == 143
    assert ended.result.outcome == "Stopped"
    assert time.monotonic() - start < 3


def test_a_bad_configuration_ends_the_pod_with_code_2_and_words(tmp_path: Path) -> None:
    ended = run_group(Job(tmp_path / "bad", training(loss="CrossEntropy")))
    assert ended.exit_code == 2
    assert ended.result.fault is not None
    assert "CrossEntropyLoss" in ended.result.fault.message
    assert "Traceback" not in ended.log


def _wait_for(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def _listens(pid: int) -> bool:
    """Whether the process has opened its rendezvous to others."""
    return any(connection.status == psutil.CONN_LISTEN for connection in psutil.Process(pid).net_connections("tcp"))
