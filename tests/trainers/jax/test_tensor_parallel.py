"""A model that several devices hold together trains as on one device, and its checkpoints fit any number of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainers.jax.conftest import CNN
from tests.trainers.runs import Job, run_group, run_here

pytestmark = pytest.mark.slow

TRANSFORMER = {"factory": "trainwright_trainers.jax.models:transformer", "args": {"width": 32, "depth": 1, "heads": 4}}
ATTENDING = {"factory": "tests.trainers.jax.models:attending"}
TRAIN = {
    "epochs": 2,
    "batchSize": 65,
    "optimizer": {"name": "adamw", "learningRate": 5e-3},
    "gradientClipping": 1.0,
    "checkpoint": {"everySteps": 1000},
}
"""40 steps."""
ACTING = "tests.trainers.contract.acting_data"


def job_of(root: Path, model: dict[str, Any] = TRANSFORMER, devices: int = 1, **options: Any) -> Job:
    environment = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    return Job(root, TRAIN | options, model, framework="jax", environment=environment)


def test_it_trains_as_on_one_device_and_goes_on_with_another_shape(tmp_path: Path) -> None:
    whole = job_of(tmp_path / "whole")
    ended = run_group(whole, 1)
    assert ended.exit_code == 0, ended.log
    assert "weights" not in ended.result.details

    job = job_of(tmp_path / "job", tensorParallel=2)
    stops = {"ONCE": str(tmp_path / "once"), "AT": str(20 * 65), "AT_RANK": "0"}  # each of the two reads all samples
    stopping = replace(job, data={"factory": f"{ACTING}:that_stops"}, environment=stops)
    stopped = run_group(stopping, 2)
    assert stopped.exit_code == 143, stopped.log
    weights = stopped.result.details["weights"]
    assert weights["bytesPerDevice"] < 0.6 * weights["bytes"]

    # Two groups of two, in one process.
    resumed = run_group(job_of(tmp_path / "job", devices=4, tensorParallel=2), 1)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from == stopped.result.training_step
    assert 10 < resumed.result.resumed_from < 35
    assert job.losses().keys() == whole.losses().keys()
    np.testing.assert_allclose(list(job.losses().values()), list(whole.losses().values()), rtol=2e-3)
    assert resumed.result.metrics.accuracy == pytest.approx(ended.result.metrics.accuracy, abs=0.02)
    scores = [record["accuracy"] for record in job.history() if "accuracy" in record]
    assert scores[-1] == pytest.approx(resumed.result.metrics.accuracy, abs=0.005)


def test_a_users_attention_is_split_by_flax_own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = job_of(tmp_path / "alone", ATTENDING, epochs=1)
    code, result = run_here(alone, monkeypatch)
    assert code == 0, result.fault
    job = job_of(tmp_path / "job", ATTENDING, epochs=1, tensorParallel=2)
    ended = run_group(job, 2)
    assert ended.exit_code == 0, ended.log
    weights = ended.result.details["weights"]
    assert weights["bytesPerDevice"] < 0.7 * weights["bytes"]
    np.testing.assert_allclose(list(job.losses().values()), list(alone.losses().values()), rtol=2e-3)
    assert job.losses()[20] < 0.8 * job.losses()[1]


def test_a_student_that_is_split_learns_as_on_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def distillation(name: str, **options: Any) -> Job:
        train = TRAIN | {"epochs": 1, "batchSize": 130} | options
        wanted = {"student": ATTENDING, "teacher": TRANSFORMER, "alpha": 0.5, "train": train}
        return Job(tmp_path / "job", wanted, name=name, framework="jax", kind="distill")

    alone, together = distillation("alone"), distillation("together", tensorParallel=2)
    code, result = run_here(alone, monkeypatch)
    assert code == 0, result.fault
    ended = run_group(together, 2)
    assert ended.exit_code == 0, ended.log
    np.testing.assert_allclose(list(together.losses().values()), list(alone.losses().values()), rtol=2e-3)
    for told in ("teacher", "student"):
        found, expected = ended.result.details[told]["accuracy"], result.details[told]["accuracy"]
        assert found == pytest.approx(expected, abs=0.02), told


@pytest.mark.parametrize(
    ("model", "devices", "words"),
    [
        (CNN, 2, "spec.model has no rules by which its weights can be split"),
        (TRANSFORMER | {"args": {"width": 32, "heads": 1}}, 2, "can't divide Block_0/MultiHeadDotProductAttention_0/"),
    ],
    ids=["no rules", "one head"],
)
def test_what_cannot_be_split_is_refused_in_words(
    model: dict[str, Any], devices: int, words: str, tmp_path: Path
) -> None:
    ended = run_group(job_of(tmp_path / "job", model, devices, tensorParallel=2), 1)
    assert ended.exit_code == 2, ended.log
    assert ended.result.fault is not None
    assert ended.result.fault.message.startswith("spec.steps[train].train.tensorParallel: ")
    assert words in ended.result.fault.message


def test_devices_that_cannot_be_divided_are_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path / "job", TRAIN | {"tensorParallel": 2}, TRANSFORMER, framework="jax")
    code, result = run_here(job, monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert "tensorParallel: 2 devices can't hold a model together where there are 1;" in result.fault.message
