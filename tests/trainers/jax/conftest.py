"""What the tests of the JAX trainer share."""

from typing import Any

import pytest

from tests.trainers.runs import DIGITS, Job, run_here
from trainwright.api.contract import StepResult

CNN = {"factory": "trainwright_trainers.jax.models:cnn", "args": {"widths": [8, 16]}}
TRANSFORMER = {"factory": "trainwright_trainers.jax.models:transformer", "args": {"width": 16, "depth": 1, "heads": 2}}
MODELS = {"cnn": CNN, "transformer": TRANSFORMER}
TRAIN = {"epochs": 3, "batchSize": 64, "optimizer": {"name": "adam", "learningRate": 1e-2}}


@pytest.fixture(scope="package", params=MODELS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, StepResult]:
    """A model that was trained on the digits."""
    job = Job(tmp_path_factory.mktemp(request.param) / "job", TRAIN, MODELS[request.param], framework="jax")
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
    step = Job(
        job.root, options, job.model, DIGITS, name or kind, f"steps/{source}/artifact", framework="jax", kind=kind
    )
    code, result = run_here(step, patch)
    assert code == 0, result
    return result
