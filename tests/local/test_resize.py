"""An elastic group changes its size in place: the real trainer in real processes, and the pods that stay stay."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.local.runs import manifest, wait_for
from trainwright.api.job import TrainingJob
from trainwright.api.validation import load_job
from trainwright.local.cluster import LocalCluster
from trainwright.local.pod import LocalPod
from trainwright.local.runner import Runner
from trainwright.planning.actions import Event

pytestmark = pytest.mark.slow

DIGITS = {"factory": "trainwright_trainers.data:digits"}
MLP = {"factory": "trainwright_trainers.pytorch.models:mlp"}
TRAIN = {
    "epochs": 80,
    "batchSize": 256,
    "optimizer": {"name": "sgd", "learningRate": 0.01},
    "loss": "tests.trainers.user_code:loss_that_dawdles",
    "checkpoint": {"everySteps": 10_000},
}
STEPS = 80 * 5


class Followed:
    """A run in this process, which the test resizes as `kubectl scale` does on a cluster."""

    def __init__(self, directory: Path, **workers: int) -> None:
        body = manifest([{"name": "train", "train": TRAIN}], model=MLP, workers=workers, data=DIGITS)
        body["metadata"] |= {"uid": "u", "namespace": "default"}
        self.watch, self.directory = directory / "watch", directory / "run"
        self.watch.mkdir(parents=True)
        self.events: list[str] = []
        self.runner = Runner(load_job(body), self.directory, self)

    # What the runner shows.

    def show(self, job: TrainingJob) -> None:
        """Nobody looks."""

    def tell(self, event: Event) -> None:
        self.events.append(event.reason)

    def explain(self, pod: LocalPod) -> None:
        print(pod.name, *pod.last_lines(), sep="\n")

    # What the test does.

    @property
    def cluster(self) -> LocalCluster:
        return self.runner._cluster

    def change(self, **parts: object) -> None:
        spec = self.runner.job.spec
        self.runner.job = self.runner.job.model_copy(update={"spec": spec.model_copy(update=parts)})

    def resize(self, replicas: int) -> None:
        self.change(workers=self.runner.job.spec.workers.model_copy(update={"replicas": replicas}))

    def until(self, holds: Callable[[], object]) -> None:
        def pass_and_probe() -> object:
            self.runner.step()
            assert self.runner.job.status.phase != "Failed", self.runner.job.status
            return holds()

        wait_for(pass_and_probe)

    def until_trained_by(self, size: int) -> None:
        """Until some steps have been done by so many processes."""
        self.until(lambda: self.sizes()[-4:] == [size] * 4)

    def until_phase(self, phase: str) -> None:
        self.until(lambda: self.runner.job.status.phase == phase)

    def sizes(self) -> list[int]:
        """How many processes took part, by the passes over a batch."""
        path = self.watch / "sizes"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def pods(self) -> dict[int, int]:
        """Process ids of the pods that run, by index."""
        (child,) = self.cluster.children()
        return {pod.index: pod._process.pid for pod in self.cluster.pods(child) if pod.exit_code is None}

    def losses(self) -> list[tuple[int, float]]:
        """Step and loss of every record, in the order in which they were written."""
        records = [json.loads(line) for line in (self.directory / "steps/train/history.jsonl").read_text().splitlines()]
        return [(record["step"], record["loss"]) for record in records if "loss" in record]

    def journal(self) -> list[str]:
        path = self.directory / "steps/train/journal.jsonl"
        return [json.loads(line)["event"] for line in path.read_text().splitlines()]


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Followed]]:
    """Starts runs that leave no process behind."""
    runs: list[Followed] = []

    def start(name: str, **workers: int) -> Followed:
        run = Followed(tmp_path / name, **workers)
        monkeypatch.setenv("WATCH", str(run.watch))
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.cluster.kill()
        wait_for(lambda run=run: not list(run.cluster._running()))


def test_a_resize_in_mid_training_keeps_the_pods_that_stay_and_loses_no_step(follow: Callable[..., Followed]) -> None:
    run = follow("scaled", replicas=2, minReplicas=1, maxReplicas=4)
    run.until_trained_by(2)
    two = run.pods()
    run.resize(3)
    run.until_trained_by(3)
    three = run.pods()
    assert two.items() <= three.items()
    run.resize(1)
    run.until_trained_by(1)
    run.until(lambda: run.pods() == {0: two[0]})
    assert not psutil.pid_exists(three[2])
    (run.watch / "go").touch()
    run.until_phase("Complete")

    status = run.runner.job.status
    assert (status.restarts, status.steps[0].failures, status.steps[0].attempts) == (0, [], 1)
    assert run.events.count("Resizing") == 2
    assert sorted(set(run.sizes())) == [1, 2, 3]
    assert [step for step, _ in run.losses()] == list(range(1, STEPS + 1))
    assert run.journal() == ["started", "resumed", "resumed", "ended"]

    alone = follow("alone", replicas=1)
    (alone.watch / "go").touch()
    alone.until_phase("Complete")
    scaled, unscaled = ([loss for _, loss in item.losses()] for item in (run, alone))
    np.testing.assert_allclose(scaled, unscaled, rtol=2e-3)


def test_an_elastic_group_is_suspended_as_a_whole_and_goes_on_with_another_size(
    follow: Callable[..., Followed],
) -> None:
    run = follow("suspended", replicas=2, minReplicas=1, maxReplicas=4)
    run.until_trained_by(2)
    policy = run.runner.job.spec.run_policy
    run.change(run_policy=policy.model_copy(update={"suspend": True}))
    run.until_phase("Suspended")
    run.resize(1)
    (run.watch / "go").touch()
    run.change(run_policy=policy)
    run.until_phase("Complete")
    status = run.runner.job.status
    assert (status.restarts, status.steps[0].failures) == (0, [])
    assert [step for step, _ in run.losses()] == list(range(1, STEPS + 1))
    assert set(run.sizes()) == {1, 2}


def test_a_lost_worker_still_restarts_an_elastic_group_as_a_whole(follow: Callable[..., Followed]) -> None:
    run = follow("lost", replicas=2, minReplicas=1, maxReplicas=4)
    run.until_trained_by(2)
    two = run.pods()
    (worker,) = (
        process
        for process in psutil.Process(two[1]).children(recursive=True)
        if "trainwright_trainers.pytorch.worker" in process.cmdline()
    )
    worker.kill()
    run.until(lambda: run.runner.job.status.restarts == 1)
    (failure,) = run.runner.job.status.steps[0].failures
    assert failure.cause == "Error"
    assert failure.message.startswith("worker 1 failed with exit code 137 in rank 1: SIGKILL")
    (run.watch / "go").touch()
    run.until_phase("Complete")
