"""What the operator and its users may expect of a `train` step, whatever the framework: real pods of real processes."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.trainers.runs import QUICK, Ended, Job, pods, run_group

pytestmark = pytest.mark.slow

MODELS = {
    "pytorch": {"factory": "trainwright_trainers.pytorch.models:mlp", "args": {"dropout": 0.1}},
    "tensorflow": {"factory": "trainwright_trainers.tensorflow.models:mlp", "args": {"dropout": 0.1}},
    "jax": {"factory": "trainwright_trainers.jax.models:mlp", "args": {"dropout": 0.1}},
    "mxnet": {"factory": "trainwright_trainers.mxnet.models:mlp", "args": {"dropout": 0.1}},
}
"""By framework, a model that draws random numbers in every step, other ones in every process."""
ACTING = "tests.trainers.contract.acting_data"
TRAIN = {"epochs": 4, "batchSize": 65, "optimizer": QUICK, "checkpoint": {"everySteps": 10}}
"""80 steps on 1,238 samples, where no batch has equal shares for two processes."""
STEPS = 80
READS = 33
"""Samples that a process of two reads for a step, about."""


@pytest.fixture(scope="module", params=MODELS)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def job_of(framework: str, root: Path, **changes: object) -> Job:
    """A job of the framework that trains on the digits."""
    return Job(root, TRAIN | changes, MODELS[framework], framework=framework)


def acting(job: Job, data: str, at: int, rank: int) -> Job:
    """The same with data that acts when a process comes to about the optimizer step `at`."""
    environment = {"ONCE": str(job.root.with_suffix(".once")), "AT": str(at * READS), "AT_RANK": str(rank)}
    return replace(job, data={"factory": f"{ACTING}:{data}"}, environment=environment)


@pytest.fixture(scope="module")
def unbroken(framework: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Ended]:
    """A training that nothing disturbed."""
    job = job_of(framework, tmp_path_factory.mktemp("unbroken") / "job")
    return job, run_group(job)


def test_a_group_learns_and_leaves_an_artifact_and_a_history(unbroken: tuple[Job, Ended]) -> None:
    job, ended = unbroken
    assert ended.exit_code == 0, ended.log
    assert ended.result.outcome == "Succeeded"
    assert ended.result.metrics.accuracy is not None
    assert ended.result.metrics.accuracy > 0.9
    assert ended.result.metrics.latency_ms is not None
    assert ended.result.metrics.parameters is not None
    assert ended.result.training_step == STEPS
    assert sorted(job.losses()) == list(range(1, STEPS + 1))
    scores = [record["accuracy"] for record in job.history() if "accuracy" in record]
    assert len(scores) == TRAIN["epochs"]
    assert scores[-1] == pytest.approx(ended.result.metrics.accuracy, abs=0.005)
    assert ended.result.artifact is not None
    description = json.loads((job.root / ended.result.artifact.path / "artifact.json").read_text())
    assert description["format"] == "safetensors"
    assert description["inputs"][0]["shape"] == ["batch", 1, 8, 8]
    assert description["metrics"]["accuracy"] == ended.result.metrics.accuracy
    assert json.loads((job.directory / "result.json").read_text())["outcome"] == "Succeeded"


def test_a_killed_worker_costs_a_checkpoint_interval_and_changes_nothing(
    framework: str, unbroken: tuple[Job, Ended], tmp_path: Path
) -> None:
    job = acting(job_of(framework, tmp_path / "job"), "that_kills", at=48, rank=1)
    killed = run_group(job)
    assert killed.exit_code == 128 + signal.SIGKILL, killed.log
    fault = killed.result.fault
    assert fault is not None
    assert (fault.kind, fault.rank, fault.exit_code, fault.secondary) == ("SIGKILL", 1, 137, False)

    resumed = run_group(job)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from in (30, 40, 50)
    reference, _ = unbroken
    assert job.losses() == reference.losses()
    assert job.weights() == reference.weights()


def test_a_stop_saves_where_it_is_and_loses_nothing(
    framework: str, unbroken: tuple[Job, Ended], tmp_path: Path
) -> None:
    job = job_of(framework, tmp_path / "job", checkpoint={"everySteps": 1000})
    stopping = acting(job, "that_stops", at=30, rank=0)
    stopped = run_group(stopping)
    assert stopped.exit_code == 143, stopped.log
    assert stopped.result.outcome == "Stopped"
    step = stopped.result.training_step
    assert step is not None
    assert 20 < step < STEPS

    resumed = run_group(stopping)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from == step
    reference, _ = unbroken
    assert job.losses() == reference.losses()
    assert job.weights() == reference.weights()


@pytest.fixture(scope="module")
def by_one_process(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A training by one process whose steps are the same at any number of processes."""
    job = plain_job_of(framework, tmp_path_factory.mktemp("alone") / "job")
    ended = run_group(job, 1)
    assert ended.exit_code == 0, ended.log
    return job


def plain_job_of(framework: str, root: Path) -> Job:
    """A training by SGD, which doesn't blow up rounding errors, without random numbers in its steps."""
    job = job_of(framework, root, optimizer={"name": "sgd", "learningRate": 0.1})
    return replace(job, model={"factory": MODELS[framework]["factory"]})


def test_two_processes_have_the_losses_of_one(framework: str, by_one_process: Job, tmp_path: Path) -> None:
    job = plain_job_of(framework, tmp_path / "job")
    ended = run_group(job, 2)
    assert ended.exit_code == 0, ended.log
    assert len(job.losses()) == STEPS
    np.testing.assert_allclose(list(job.losses().values()), list(by_one_process.losses().values()), rtol=1e-4)


def test_a_training_goes_on_with_another_number_of_processes(
    framework: str, by_one_process: Job, tmp_path: Path
) -> None:
    job = acting(plain_job_of(framework, tmp_path / "job"), "that_stops", at=30, rank=0)
    assert run_group(job, 2).exit_code == 143
    # The one that is left is stopped, too, and two end it.
    again = acting(replace(job, root=job.root.with_name("again")), "that_stops", at=40, rank=0)
    shrunk = run_group(replace(job, environment=again.environment), 1)
    assert shrunk.exit_code == 143, shrunk.log
    resumed = run_group(replace(job, environment=again.environment), 2)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from == shrunk.result.training_step
    assert shrunk.result.resumed_from is not None
    assert resumed.result.resumed_from > shrunk.result.resumed_from
    assert job.losses().keys() == by_one_process.losses().keys()
    np.testing.assert_allclose(list(job.losses().values()), list(by_one_process.losses().values()), rtol=1e-4)


def test_a_pod_that_lost_its_peer_says_that_it_only_follows(framework: str, tmp_path: Path) -> None:
    job = acting(job_of(framework, tmp_path / "job"), "that_kills", at=10, rank=1)
    with pods(job, nodes=2) as running:
        first, second = (pod.wait() for pod in running)
    assert second.exit_code == 137
    assert first.exit_code not in (0, 2, 143), first.log
    assert first.result.fault is not None
    assert first.result.fault.secondary, first.result.fault


def test_a_pod_that_lost_the_first_one_says_that_it_only_follows(framework: str, tmp_path: Path) -> None:
    job = acting(job_of(framework, tmp_path / "job"), "that_kills", at=10, rank=0)
    with pods(job, nodes=2) as running:
        first, second = (pod.wait() for pod in running)
    assert first.exit_code == 137
    assert second.exit_code not in (0, 2, 143), second.log
    assert second.result.fault is not None
    assert second.result.fault.secondary, second.result.fault


def test_progress_is_served_while_training(framework: str, tmp_path: Path, free_port: int) -> None:
    job = acting(job_of(framework, tmp_path / "job", gradientClipping=1.0), "that_scrapes", at=60, rank=0)
    port = {"TRAINWRIGHT_METRICS_PORT": str(free_port)}
    ended = run_group(replace(job, environment=job.environment | port))
    assert ended.exit_code == 0, ended.log
    page = Path(job.environment["ONCE"]).read_text()
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    values = {sample.name.removeprefix("trainwright_training_"): sample.value for sample in samples}
    assert 30 < values["step"] < 70
    assert 0.3 < values["progress_ratio"] < 1
    assert values["accuracy"] > 0.3
    assert values["learning_rate"] == pytest.approx(0.005)
    assert values["samples_per_second"] > 0
    assert values["gradient_norm"] > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "CrossEntropy"}, ["train.loss", "CrossEntropyLoss"]),
        ({"optimizer": {"name": "Adamm"}}, ["train.optimizer.name", "'Adamm'", "adam"]),
        ({"batchSize": 5000}, ["train.batchSize", "5000", "1238"]),
    ],
    ids=["loss", "optimizer", "batch"],
)
def test_a_bad_configuration_ends_the_pod_with_code_2_and_words(
    changes: dict[str, object], words: list[str], framework: str, tmp_path: Path
) -> None:
    ended = run_group(job_of(framework, tmp_path / "job", **changes), 1)
    assert ended.exit_code == 2, ended.log
    assert ended.result.fault is not None
    for word in words:
        assert word.lower() in ended.result.fault.message.lower(), ended.result.fault.message
    assert "Traceback" not in ended.log
