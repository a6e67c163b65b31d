"""Each framework's whole chain in containers, beside a local run of the same object."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node.jobs import EXAMPLES, ONE_THREAD, Jobs, example, with_trainer

FRAMEWORKS = ("pytorch", "jax", "tensorflow", "mxnet")


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def local_run(framework: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The status that `trainwright run` gives for the same object."""
    folder = tmp_path_factory.mktemp("local")
    body = EXAMPLES / f"digits-{framework}.yaml"
    command = [str(Path(sys.executable).parent / "trainwright"), "run", str(body), "--output", str(folder)]
    environment = {**os.environ, ONE_THREAD["name"]: ONE_THREAD["value"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout
    status: dict[str, object] = json.loads((folder / "trainingjob.json").read_text())["status"]
    return status


def test_the_chain_in_containers_gives_what_a_local_run_gives(
    jobs: Jobs, framework: str, local_run: dict[str, object]
) -> None:
    body = example(f"digits-{framework}")
    body["spec"]["workers"]["template"] = with_trainer(env=[ONE_THREAD])
    jobs.apply(body)
    status = jobs.wait(body["metadata"]["name"], "Complete")
    assert numbers(status) == numbers(local_run)
    assert status["restarts"] == 0


def numbers(status: dict[str, object]) -> object:
    """All that was measured and is not a time, and the digests of what was made."""
    steps, artifacts = status["steps"], status["artifacts"]
    assert isinstance(steps, list)
    assert isinstance(artifacts, list)
    timeless = ("accuracy", "loss", "sizeBytes", "parameters")
    measured = {step["name"]: {key: step["metrics"].get(key) for key in timeless} for step in steps}
    states = {step["name"]: step["state"] for step in steps}
    return measured, states, [(item["name"], item["format"], item["sizeBytes"]) for item in artifacts]
