"""A real Prometheus scrapes a real operator and a real training: every panel and every alert finds what it asks for."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry, start_http_server

from testbed import wait_until
from testbed.components import HOST
from testbed.operator import OperatorProcess
from testbed.prometheus import Prometheus, fixed_targets
from tests.cluster.pods import End, Worker, failure, success
from tests.cluster.trainingjobs import INT8, PRUNE, TRAIN, TrainingJobs
from tests.local.runs import Run, manifest, wait_for
from tests.monitoring.programs import require_prometheus
from tests.monitoring.queries import DASHBOARDS, RULES, alerts, panels, recorded, series_in, variables
from trainwright_trainers.runtime.progress import Progress

TRAINING = {
    "name": "train",
    "train": {
        "epochs": 100_000,
        "batchSize": 64,
        "gradientClipping": 1.0,
        "optimizer": {"name": "AdamW", "learningRate": 1e-3},
        "checkpoint": {"everySteps": 50},
    },
}
MODEL = {"factory": "trainwright_trainers.pytorch.models:mlp"}
DATA = {"factory": "trainwright_trainers.data:digits"}

PROGRESS = {
    "percent": 40,
    "trainingStep": 400,
    "epoch": 2,
    "loss": 0.5,
    "samplesPerSecond": 900.0,
    "remainingSeconds": 9,
}
LOST = {"start": 1.0, "rendezvous": 0.5, "restore": 0.5, "replay": 2.0, "checkpoint": 0.5}
FIRE = {
    "TrainwrightJobPending",
    "TrainwrightJobNoProgress",
    "TrainwrightJobRestartLoop",
    "TrainwrightLossNotFinite",
    "TrainwrightGateMissed",
    "TrainwrightJobFailed",
}
"""Alerts whose condition the scenario meets; that they wait as long as they say is promtool's part of the tests."""


LOOPS = 7
"""Restarts of the job that restarts over and over: more than an alert asks for, since the first ones may be over before
they are scraped."""


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Run]:
    """A local run of a training on two workers, which goes on and on."""
    require_prometheus()
    folder = tmp_path / "training"
    folder.mkdir()
    run = Run(folder, manifest([TRAINING], model=MODEL, data=DATA, workers={"replicas": 2}))
    yield run
    run.end()


@pytest.fixture
def gpu_port() -> Iterator[int]:
    """Where a trainer tells of its GPU, which is all that is made up of it."""
    progress, registry = Progress(("default", "job", "train", "pytorch")), CollectorRegistry(auto_describe=False)
    progress.watch(lambda: {"gpu_memory_bytes": 3e9, "gpu_utilization_ratio": 0.9})
    registry.register(progress)
    server, thread = start_http_server(0, HOST, registry)
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_panel_and_every_alert_finds_what_it_asks_for(
    jobs: TrainingJobs, operator_process: OperatorProcess, training: Run, gpu_port: int, tmp_path: Path
) -> None:
    trainer = wait_for(lambda: metrics_port(training), 120)
    operator = fixed_targets("operator", f"{HOST}:{operator_process.metrics_port}")
    trainers = fixed_targets("trainer", f"{HOST}:{trainer}", f"{HOST}:{gpu_port}")
    prometheus = Prometheus(tmp_path, [operator, trainers], RULES)
    try:
        prometheus.start_ready()
        set_the_scene(jobs)
        kill_a_worker(training, prometheus)
        names = [(jobs.namespace, name) for name in ("live", "chain", "loop")] + [("default", "job")]
        for path in DASHBOARDS:
            for title, query in panels(path):
                found = [filled(query, *name) for name in names]
                wait_until(lambda found=found: any(map(prometheus.query, found)), f"panel {title}: {query}", 60)
            for query in variables(path):
                prometheus.wait_for(next(iter(series_in(query))))
        for rule in alerts():
            if rule["alert"] in FIRE:
                prometheus.wait_for(rule["expr"])
            elif rule["alert"] != "TrainwrightOperatorDown":
                for name in series_in(rule["expr"]):
                    prometheus.wait_for(name)
        for name in recorded():
            prometheus.wait_for(name)
        numbers_agree(jobs, prometheus)
        operator_process.stop()
        (down,) = (rule["expr"] for rule in alerts() if rule["alert"] == "TrainwrightOperatorDown")
        prometheus.wait_for(down)
    finally:
        prometheus.stop()


def set_the_scene(jobs: TrainingJobs) -> None:
    """Jobs that do well, wait, fail, miss a gate, and restart over and over."""

    def measured(worker: Worker) -> End:
        accuracy = 0.9 if worker.step == "train" else 0.5
        return success(worker, accuracy=accuracy, latencyMs=2.5, sizeBytes=1000, parameters=50)

    def loops(worker: Worker) -> End | None:
        words = "rank 0 was ended by SIGKILL"
        killed = failure(words, exit_code=137, kind="SIGKILL", training_step=worker.attempt)
        return replace(killed, after="1s") if worker.attempt <= LOOPS else None

    def explodes(worker: Worker) -> End | None:
        error = failure("the loss is nan", kind="NonFiniteLossError", training_step=worker.attempt)
        return error if worker.attempt == 1 else None

    gate = {"accuracy": {"maxDegradation": 0.01}, "onMiss": "Rollback"}
    jobs.create("chain", TRAIN, PRUNE | {"gate": gate}, INT8, behave=measured)
    jobs.create("live", TRAIN, replicas=2)
    jobs.create("loop", TRAIN, behave=loops, runPolicy={"backoffLimit": 10})
    jobs.create("nan", TRAIN, behave=explodes)
    jobs.create("wrong", TRAIN, behave=lambda worker: End(2))
    gpus = {"limits": {"nvidia.com/gpu": "100"}}
    workers = {"replicas": 1, "template": {"spec": {"containers": [{"name": "trainer", "resources": gpus}]}}}
    jobs.create("greedy", workers=workers)
    jobs.running("live", 2)
    # No name of a pod is resolved here, so the operator can't ask a trainer: this is what it would have been told.
    jobs.client.patch(f"{jobs.path}/live/status", {"status": {"progress": PROGRESS | {"lost": LOST}}})


def metrics_port(run: Run) -> int | None:
    """Where rank 0 of a local run serves its metrics, once it does."""
    for process in run.descendants():
        try:
            port = process.environ().get("TRAINWRIGHT_METRICS_PORT")
        except psutil.Error:
            continue
        if port:
            return int(port)
    return None


def kill_a_worker(run: Run, prometheus: Prometheus) -> None:
    """kill -9 shows up as a restart with its cause and the work that it cost, and all tell the same of it."""
    step = "trainwright_training_step"
    lost = 'trainwright_training_lost_seconds{cause="replay"}'
    prometheus.wait_for(f"{step} > 100", 120)
    worker = next(one for one in reversed(run.descendants()) if "trainwright_trainers.pytorch.worker" in one.cmdline())
    worker.kill()
    journal = run.output / "steps/train/journal.jsonl"
    resumed = wait_for(lambda: events(journal, "resumed"), 120)[0]
    (series,) = prometheus.wait_for(f"{lost} > 0") if resumed["undoneSeconds"] else prometheus.wait_for(lost)
    assert float(series["value"][1]) == pytest.approx(resumed["undoneSeconds"], abs=0.01)
    labels = {"namespace": "default", "job_name": "job", "step": "train", "framework": "pytorch"}
    assert labels.items() <= series["metric"].items()

    undone = pytest.approx(resumed["undoneSeconds"], abs=0.06)

    def told() -> dict:
        """The status, once it tells of the second attempt."""
        status = json.loads((run.output / "trainingjob.json").read_text())["status"]
        lost = (status.get("progress") or {}).get("lost") or {}
        return status if lost.get("replay") == undone and status["restarts"] == 1 else {}

    status = wait_for(told, 120)
    assert [(item["cause"], item["reason"]) for item in status["steps"][0]["failures"]] == [("Error", "SIGKILL")]
    for cause in ("start", "rendezvous"):
        assert status["progress"]["lost"][cause] > 0


def events(journal: Path, kind: str) -> list[dict]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def numbers_agree(jobs: TrainingJobs, prometheus: Prometheus) -> None:
    """What Prometheus has is what the status says."""
    status = jobs.wait_for(
        "loop", lambda status: status["restarts"] == LOOPS and status["phase"] == "Running", "runs again"
    )
    chosen = f'{{namespace="{jobs.namespace}", job_name="loop"}}'
    value: Callable[[str], float] = lambda query: float(prometheus.wait_for(query)[0]["value"][1])  # noqa: E731
    wait_until(lambda: value(f"trainwright_job_restarts{chosen}") == status["restarts"], "the restarts agree")
    counted = f'trainwright_restarts_total{{namespace="{jobs.namespace}", reason="SIGKILL", cause="Error"}}'
    assert value(counted) == LOOPS
    seconds = status["phaseSeconds"]["restarting"]
    assert value('trainwright_job_lost_seconds{job_name="loop", cause="restart"}') == seconds
    assert value('trainwright_job_loss{job_name="live"}') == PROGRESS["loss"]
    assert value('trainwright_job_lost_seconds{job_name="live", cause="replay"}') == LOST["replay"]
    assert value(f'trainwright_jobs{{namespace="{jobs.namespace}", phase="Pending"}}') == 1
    assert value(f'trainwright_artifact_latency_seconds{{namespace="{jobs.namespace}", step="train"}}') == 0.0025


def filled(query: str, namespace: str, job: str) -> str:
    """The query as Grafana sends it."""
    for variable, text in (("$__rate_interval", "30s"), ("$namespace", namespace), ("$job_name", job)):
        query = query.replace(variable, text)
    return query
