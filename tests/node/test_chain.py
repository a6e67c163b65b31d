"""Each framework's whole chain in containers, beside a local run of the same object."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.node.jobs import EXAMPLES, ONE_THREAD, Jobs, example, with_trainer

FRAMEWORKS = ("pytorch", "jax", "tensorflow", "mxnet")


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def local_run(framework: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The status that `trainwright run` gives for the same object."""
    folder = tmp_path_factory.mktemp("local")
    body = EXAMPLES / f"digits-{framework}.yaml"
    command = [str(Path(sys.executable).parent / "trainwright"), "run", str(body), "--output", str(folder)]
    environment = {**os.environ, ONE_THREAD["name"]: ONE_THREAD["value"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout
    status: dict[str, Any] = json.loads((folder / "trainingjob.json").read_text())["status"]
    return status


def test_the_chain_in_containers_gives_what_a_local_run_gives(
    jobs: Jobs, framework: str, local_run: dict[str, Any]
) -> None:
    body = example(f"digits-{framework}")
    body["spec"]["workers"]["template"] = with_trainer(env=[ONE_THREAD])
    jobs.apply(body)
    status = jobs.wait(body["metadata"]["name"], "Complete")
    assert numbers(status) == numbers(local_run)
    assert sizes(status) == pytest.approx(sizes(local_run), rel=1e-3)  # a SavedModel has random names in it
    assert status["restarts"] == 0


def numbers(status: dict[str, Any]) -> object:
    """All that was measured and is neither a time nor a size, and what was made."""
    exact = ("accuracy", "loss", "parameters")
    measured = {step["name"]: {key: step["metrics"].get(key) for key in exact} for step in status["steps"]}
    states = {step["name"]: step["state"] for step in status["steps"]}
    return measured, states, [(item["name"], item["format"]) for item in status["artifacts"]]


def sizes(status: dict[str, Any]) -> list[int]:
    """Bytes of every artifact."""
    return [item["sizeBytes"] for item in status["artifacts"]]
