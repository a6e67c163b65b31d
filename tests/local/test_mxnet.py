"""MXNet's chain on this machine, in an environment of its own, and the loss of any part of its group."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import psutil
import pytest

from tests.local.runs import Run, manifest, python_step, wait_for
from trainwright.api.loading import read_manifests
from trainwright_trainers.data import digits

pytestmark = pytest.mark.slow

Start = Callable[..., Run]
EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
EXAMPLE = EXAMPLES / "digits-mxnet.yaml"


def _status(run: Run) -> dict[str, Any]:
    status: dict[str, Any] = json.loads((run.output / "trainingjob.json").read_text())["status"]
    return status


def test_the_example_goes_from_two_workers_to_a_model_that_lives_on(start: Start) -> None:
    run = start(next(read_manifests(EXAMPLE)))
    assert run.wait(900) == 0, run.said
    status = _status(run)
    names = ["train", "prune", "symbol", "int8", "onnx"]
    assert {step["name"]: step["state"] for step in status["steps"]} == dict.fromkeys(names, "Succeeded")
    metrics = {step["name"]: step["metrics"] for step in status["steps"]}
    assert metrics["prune"]["parameters"] < 0.6 * metrics["train"]["parameters"]
    assert metrics["symbol"]["accuracy"] == metrics["prune"]["accuracy"]
    assert metrics["int8"]["accuracy"] > metrics["prune"]["accuracy"] - 0.01
    (model,) = (run.output / "steps" / "onnx" / "artifact").rglob("model.onnx")
    session = onnxruntime.InferenceSession(model)  # a newer one than the trainer's
    held_out = digits().validation
    inputs, labels = held_out.inputs, held_out.targets  # type: ignore[attr-defined]
    (outputs,) = session.run(None, {session.get_inputs()[0].name: inputs})
    assert (outputs.argmax(axis=1) == labels).mean() == pytest.approx(metrics["onnx"]["accuracy"], abs=0.01)


def _process_of(run: Run, role: str, pod: int = 0) -> psutil.Process | None:
    """The scheduler's process, or that of a pod's server or worker."""
    program = f"trainwright_trainers.mxnet.{'worker' if role == 'worker' else 'server'}"
    for process in run.descendants():
        try:
            told = process.environ()
            if program in process.cmdline() and (told.get("DMLC_ROLE"), told["TRAINWRIGHT_INDEX"]) == (role, str(pod)):
                return process
        except psutil.NoSuchProcess:
            continue
    return None


def _newest(run: Run) -> int:
    folder = run.output / "steps" / "train" / "checkpoints"
    return max((int(path.name.removeprefix("step-")) for path in folder.glob("step-" + 8 * "[0-9]")), default=0)


def _cpu_nanoseconds(process: psutil.Process) -> int:
    """Of all its threads; what the process' own times count is too coarse for a server's little work."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(times.read_text().split()[0]) for times in threads)


def test_gradients_go_over_two_servers_and_each_lost_part_of_the_store_costs_a_restart_only(start: Start) -> None:
    options = {
        "epochs": 40,
        "batchSize": 64,
        "optimizer": {"name": "SGD"},
        "checkpoint": {"everySteps": 20},
        "collectives": {"servers": 2},
    }
    run = start(
        manifest(
            [{"name": "train", "train": options}],
            framework="mxnet",
            model={"factory": "trainwright_trainers.mxnet.models:mlp", "args": {"hidden": [128]}},
            data={"factory": "trainwright_trainers.data:digits"},
            workers={"replicas": 2},
            runPolicy={"backoffLimit": 4},
        )
    )
    wait_for(lambda: _newest(run), 300)
    servers = [_process_of(run, "server", pod) for pod in (0, 1)]
    before, begun = [_cpu_nanoseconds(server) for server in servers if server], _newest(run)
    wait_for(lambda: _newest(run) >= begun + 60, 300)
    spent = [_cpu_nanoseconds(server) - earlier for server, earlier in zip(servers, before, strict=True) if server]
    assert min(spent) > max(spent) / 5
    for role, pod in (("server", 0), ("server", 1), ("scheduler", 0), ("worker", 0)):
        done = _newest(run)
        wait_for(lambda done=done: _newest(run) > done, 300)
        process = wait_for(lambda role=role, pod=pod: _process_of(run, role, pod), 60)
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda process=process: not process.is_running(), 60)
    assert run.wait(900) == 0, run.said
    assert _status(run)["restarts"] == 4
    for part in ("server 0", "server 1", "scheduler"):
        assert f"the key-value store's {part} was ended by SIGKILL" in run.said
    history = (run.output / "steps" / "train" / "history.jsonl").read_text().splitlines()
    steps = [record["step"] for record in map(json.loads, history) if "loss" in record]
    assert steps == list(range(1, 801))


PROGRAM = """
import mxnet as mx

store = mx.kv.create("dist_sync")
store.init("weight", mx.nd.zeros((2,)))
store.push("weight", mx.nd.ones((2,)) * (store.rank + 1))
total = mx.nd.zeros((2,))
store.pull("weight", out=total)
print("worker", store.rank, "of", store.num_workers, "sees", total.asnumpy().tolist(), flush=True)
{last}
"""


def _own_program(folder: Path, last: str = "") -> dict[str, Any]:
    (folder / "program.py").write_text(PROGRAM.format(last=last))
    step = {"name": "own", "run": {"command": ["python", "program.py"]}}
    policy = {"backoffLimit": 0}
    return manifest([step], framework="mxnet", workers={"replicas": 2}, runPolicy=policy)


def test_plain_dist_sync_program_runs_unchanged(start: Start, tmp_path: Path) -> None:
    run = start(_own_program(tmp_path))
    assert run.wait(300) == 0, run.said
    said = "".join((run.output / "logs" / f"job-own-{index}.log").read_text() for index in (0, 1))
    for rank in (0, 1):
        assert f"worker {rank} of 2 sees [3.0, 3.0]" in said


def test_a_program_whose_server_is_killed_fails_instead_of_waiting(start: Start, tmp_path: Path) -> None:
    run = start(_own_program(tmp_path, "while True: store.push('weight', total); store.pull('weight', out=total)"))
    log = run.output / "logs" / "job-own-0.log"
    wait_for(lambda: log.exists() and "sees" in log.read_text(), 120)
    servers = [
        process
        for process in run.descendants()
        if "program.py" in process.cmdline() and process.environ().get("DMLC_ROLE") == "server"
    ]
    os.kill(next(process for process in servers if "sh" not in process.name()).pid, signal.SIGKILL)
    assert run.wait(120) == 1, run.said
    assert "137" in run.said


def test_a_dist_sync_program_has_its_scheduler_and_servers_as_pods(start: Start) -> None:
    (body,) = read_manifests(EXAMPLES / "own-mxnet-program.yaml")
    body["spec"]["steps"][0]["run"]["command"] = ["python", str(EXAMPLES / "own_mxnet_program.py")]
    run = start(body)
    assert run.wait(300) == 0, run.said
    said = [(run.output / "logs" / f"own-mxnet-servers-{index}.log").read_text() for index in range(5)]
    assert sorted(text.splitlines()[0] for text in said[:2]) == ["worker 0 of 2", "worker 1 of 2"]
    assert all("slope 3.0" in text for text in said[:2])
    assert not any("slope" in text for text in said[2:])


def test_a_server_of_its_own_that_is_killed_fails_the_group(start: Start, tmp_path: Path) -> None:
    body = _own_program(tmp_path, "while True: store.push('weight', total); store.pull('weight', out=total)")
    body["spec"]["workers"]["replicas"] = 5
    body["spec"]["steps"][0]["run"]["roles"] = {"scheduler": 1, "server": 2}
    run = start(body)
    log = run.output / "logs" / "job-own-0.log"
    wait_for(lambda: log.exists() and "sees" in log.read_text(), 120)
    (server,) = (
        process
        for process in run.descendants()
        if "program.py" in process.cmdline() and process.environ().get("DMLC_SERVER_ID") == "1"
    )
    server.kill()
    assert run.wait(120) == 1, run.said
    assert "worker 4 failed with exit code 137" in run.said


def test_a_program_is_done_when_all_workers_are_whatever_the_servers_do(start: Start) -> None:
    program = (
        "import os, time\n"
        "seconds = {'worker': 1 + 2 * int(os.environ['TRAINWRIGHT_INDEX'])}.get(os.environ['DMLC_ROLE'], 3600)\n"
        "time.sleep(seconds)\n"
        "print('done', flush=True)\n"
    )
    step = python_step("own", program, distributed=True)
    step["run"]["roles"] = {"scheduler": 1, "server": 1}
    run = start(manifest([step], framework="mxnet", workers={"replicas": 4}))
    assert run.wait(60) == 0, run.said
    said = [(run.output / "logs" / f"job-own-{index}.log").read_text() for index in range(4)]
    assert said == ["done\n", "done\n", "", ""]
