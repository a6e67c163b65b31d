"""What TensorFlow and JAX promise of optimizers, schedules and bf16; PyTorch and MXNet have tests of their own."""

from pathlib import Path

import numpy as np
import pytest

from tests.trainers.runs import Job, run_here
from trainwright.api.capabilities import CAPABILITIES
from trainwright.api.job import Framework

pytestmark = pytest.mark.slow

FRAMEWORKS: tuple[Framework, ...] = ("tensorflow", "jax")
OPTIMIZERS = [(framework, name) for framework in FRAMEWORKS for name in CAPABILITIES[framework].optimizers]
SCHEDULES = [(framework, name) for framework in FRAMEWORKS for name in CAPABILITIES[framework].schedules]
RATES = {"adadelta": 30.0, "adagrad": 0.1, "ftrl": 0.3, "lars": 10.0, "radam": 0.1, "sgd": 0.3}
"""By optimizer: the learning rate, where 0.01 teaches too little in so few steps."""
NEEDED = {
    "ExponentialDecay": {"decay_rate": 0.1},
    "InverseTimeDecay": {"decay_rate": 2.0},
    "exponential_decay": {"decay_rate": 0.1},
    "linear_schedule": {"end_value": 0.0},
    "polynomial_schedule": {"end_value": 0.0, "power": 2},
}
"""By schedule: the arguments that it can't do without."""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all, so that JAX compiles what they share once."""
    return tmp_path_factory.mktemp("storage")


def trained(framework: Framework, storage: Path, name: str, **options: object) -> Job:
    """27 steps of a small network."""
    model = {"factory": f"trainwright_trainers.{framework}.models:mlp", "args": {"hidden": [16]}}
    options = {"epochs": 3, "batchSize": 124} | options
    job = Job(storage / framework, options, model, name=name.lower().replace("_", "")[:16], framework=framework)
    with pytest.MonkeyPatch.context() as patch:
        code, result = run_here(job, patch)
    assert code == 0, result.fault
    return job


def learned(job: Job) -> bool:
    losses = list(job.losses().values())
    return bool(np.mean(losses[-9:]) < 0.9 * np.mean(losses[:3]))


@pytest.mark.parametrize(("framework", "name"), OPTIMIZERS)
def test_every_optimizer_learns(framework: Framework, name: str, storage: Path) -> None:
    optimizer = {"name": name, "learningRate": RATES.get(name.lower(), 0.01)}
    job = trained(framework, storage, name, optimizer=optimizer)
    assert learned(job), job.losses()


@pytest.mark.parametrize(("framework", "name"), SCHEDULES)
def test_every_schedule_changes_the_learning_rate(framework: Framework, name: str, storage: Path) -> None:
    schedule = {"name": name, "args": NEEDED.get(name, {})}
    job = trained(framework, storage, name, optimizer={"name": "sgd", "learningRate": 0.3}, schedule=schedule)
    rates = [record["learningRate"] for record in job.history() if "learningRate" in record]
    assert (len(set(rates)) == 1) == (name == "constant_schedule"), rates
    assert 0 <= min(rates) <= max(rates) < 0.301


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_bf16_learns(framework: Framework, storage: Path) -> None:
    job = trained(framework, storage, "bf16", precision="bf16", optimizer={"name": "adam", "learningRate": 0.01})
    assert learned(job), job.losses()
