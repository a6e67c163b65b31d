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

from tests.local.runs import Run, manifest, wait_for
from trainwright.api.loading import read_manifests
from trainwright_trainers.data import digits

pytestmark = pytest.mark.slow

Start = Callable[..., Run]
EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "digits-mxnet.yaml"


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


def _process_of(run: Run, role: str) -> psutil.Process | None:
    """The scheduler's, the server's or a worker's process."""
    program = f"trainwright_trainers.mxnet.{'worker' if role == 'worker' else 'server'}"
    for process in run.descendants():
        try:
            if program in process.cmdline() and process.environ().get("DMLC_ROLE") == role:
                return process
        except psutil.NoSuchProcess:
            continue
    return None


def _newest(run: Run) -> int:
    folder = run.output / "steps" / "train" / "checkpoints"
    return max((int(path.name.removeprefix("step-")) for path in folder.glob("step-" + 8 * "[0-9]")), default=0)


def test_a_killed_server_scheduler_and_worker_each_cost_a_restart_and_nothing_else(start: Start) -> None:
    options = {"epochs": 60, "batchSize": 64, "optimizer": {"name": "SGD"}, "checkpoint": {"everySteps": 20}}
    run = start(
        manifest(
            [{"name": "train", "train": options}],
            framework="mxnet",
            model={"factory": "trainwright_trainers.mxnet.models:mlp", "args": {"hidden": [32]}},
            data={"factory": "trainwright_trainers.data:digits"},
            workers={"replicas": 2},
        )
    )
    for role in ("server", "scheduler", "worker"):
        done = _newest(run)
        wait_for(lambda done=done: _newest(run) > done, 300)
        process = wait_for(lambda role=role: _process_of(run, role), 60)
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda process=process: not process.is_running(), 60)
    assert run.wait(900) == 0, run.said
    assert _status(run)["restarts"] == 3
    for role in ("server", "scheduler"):
        assert f"the key-value store's {role} was ended by SIGKILL" in run.said
    history = (run.output / "steps" / "train" / "history.jsonl").read_text().splitlines()
    steps = [record["step"] for record in map(json.loads, history) if "loss" in record]
    assert steps == list(range(1, 1201))
