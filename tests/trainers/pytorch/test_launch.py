"""The launcher's own decisions: whose fault a failure was."""

import signal
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from trainwright.api.contract import StepResult
from trainwright_trainers.pytorch import launch
from trainwright_trainers.pytorch.processes import lost_peer, this_process
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.faults import failure, fault_of_error
from trainwright_trainers.runtime.group import GroupDirectory


def _launcher(codes: dict[int, int]) -> launch.Launcher:
    launcher = launch.Launcher()
    launcher.failures = {
        rank: ProcessFailure(local_rank=rank, pid=rank, exitcode=code, error_file="none")
        for rank, code in codes.items()
    }
    return launcher


def _failed(error: Exception, rank: int) -> StepResult:
    return failure(fault_of_error(error, rank=rank, secondary=lost_peer(error)))


def test_a_killed_worker_is_at_fault_and_not_who_noticed(tmp_path: Path) -> None:
    group = GroupDirectory(tmp_path)
    group.leave(0, _failed(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer"), 0))
    result = launch.conclude(group, _launcher({0: 1, 1: -signal.SIGKILL, 2: -signal.SIGTERM}))
    assert result.fault is not None
    assert (result.fault.kind, result.fault.rank, result.fault.exit_code) == ("SIGKILL", 1, 137)


def test_an_error_is_at_fault_and_not_those_that_were_ended_after_it(tmp_path: Path) -> None:
    group = GroupDirectory(tmp_path)
    group.leave(2, _failed(KeyError("label"), 2))
    group.leave(0, _failed(RuntimeError("Connection reset by peer"), 0))
    result = launch.conclude(group, _launcher({0: 1, 1: -signal.SIGTERM, 2: 1}))
    assert result.fault is not None
    assert (result.fault.kind, result.fault.rank) == ("KeyError", 2)


def test_the_lowest_ranks_result_is_the_pods(tmp_path: Path) -> None:
    group = GroupDirectory(tmp_path)
    for rank in (3, 2):
        group.leave(rank, StepResult(outcome="Succeeded", training_step=rank))
    assert launch.conclude(group, _launcher({})).training_step == 2


def test_what_the_launcher_itself_met_is_raised(tmp_path: Path) -> None:
    launcher = _launcher({})
    launcher.error = TimeoutError("the other pods did not come")
    with pytest.raises(TimeoutError, match="did not come"):
        launch.conclude(GroupDirectory(tmp_path), launcher)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:3"), True),
        (dist.DistNetworkError("Failed to recv, got 0 bytes"), True),
        (dist.DistBackendError("NCCL error in: ProcessGroupNCCL.cpp, remote process exited"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ConnectionError("Connection reset by peer"), False),  # the user's own, such as that of a data store
    ],
)
def test_only_errors_between_the_processes_follow_from_another(error: Exception, lost: bool) -> None:
    assert lost_peer(error) is lost


def test_a_process_without_a_gpu_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigurationError, match=r"spec\.workers\.processesPerWorker: process 3 .* the pod has 2"):
        this_process()
