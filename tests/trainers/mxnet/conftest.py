"""What the tests of the MXNet trainer share: its steps run in pods' stead, by the Python of its own environment."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainers.runs import DIGITS, Ended, Job, run_group
from trainwright.api.contract import StepResult

CNN = {"factory": "trainwright_trainers.mxnet.models:cnn", "args": {"widths": [8, 16]}}
TRAIN = {"epochs": 10, "batchSize": 64, "optimizer": {"name": "adam", "learningRate": 2e-2}}


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, StepResult]:
    """A network that was trained on the digits."""
    return train(tmp_path_factory.mktemp("cnn") / "job", TRAIN)


def train(root: Path, options: dict[str, Any]) -> tuple[Job, StepResult]:
    """A network that was trained on the digits with such options."""
    job = Job(root, options, CNN, framework="mxnet")
    ended = run_group(job, 1)
    assert ended.exit_code == 0, ended.log
    return job, ended.result


def run_after(job: Job, kind: str, options: dict[str, Any], name: str | None = None, source: str = "train") -> Ended:
    """Run a step on the artifact of another one."""
    given = f"steps/{source}/artifact"
    return run_group(Job(job.root, options, job.model, DIGITS, name or kind, given, framework="mxnet", kind=kind), 1)


def after(job: Job, kind: str, options: dict[str, Any], name: str | None = None, source: str = "train") -> StepResult:
    """What a step gave that ran well."""
    ended = run_after(job, kind, options, name, source)
    assert ended.exit_code == 0, ended.log
    return ended.result
