"""What the tests of the TensorFlow trainer share."""

from typing import Any

import pytest

from tests.trainers.runs import DIGITS, Job, run_here
from trainwright.api.contract import StepResult

RESNET = {"factory": "trainwright_trainers.tensorflow.models:resnet", "args": {"widths": [8, 16]}}
TRAIN = {"epochs": 3, "batchSize": 64, "optimizer": {"name": "adam", "learningRate": 1e-2}}


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, StepResult]:
    """A residual network that was trained on the digits."""
    job = Job(tmp_path_factory.mktemp("resnet") / "job", TRAIN, RESNET, framework="tensorflow")
    with pytest.MonkeyPatch.context() as patch:
        code, result = run_here(job, patch)
    assert code == 0, result
    return job, result


def after(
    job: Job,
    kind: str,
    options: dict[str, Any],
    patch: pytest.MonkeyPatch,
    source: str = "train",
    name: str | None = None,
) -> StepResult:
    """Run a step on the artifact of another one."""
    given = f"steps/{source}/artifact"
    step = Job(job.root, options, job.model, DIGITS, name or kind, given, framework="tensorflow", kind=kind)
    code, result = run_here(step, patch)
    assert code == 0, result
    return result
