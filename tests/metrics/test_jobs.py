"""Every job's figures, from what the store knows."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from trainwright.api.base import format_time
from trainwright.controller.store import Store
from trainwright.metrics.jobs import LINGER_SECONDS, JobCollector

Object = dict[str, Any]


def ago(seconds: float) -> str:
    return format_time(datetime.now(UTC) - timedelta(seconds=seconds))


def training_job(name: str, created: float = 100, **status: Any) -> Object:
    """A job of two steps that trains, as the store has it."""
    train = {
        "name": "train",
        "state": "Succeeded",
        "metrics": {"accuracy": 0.9, "latencyMs": 2.0, "sizeBytes": 1000, "parameters": 50},
        "artifact": {"name": "train", "format": "safetensors"},
        "gate": {"passed": True, "message": ""},
    }
    return {
        "apiVersion": "trainwright.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {
            "name": name,
            "namespace": "team-a",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": ago(created),
        },
        "spec": {"framework": "pytorch"},
        "status": {
            "phase": "Running",
            "phaseSince": ago(50),
            "phaseSeconds": {"pending": 30, "running": 0, "restarting": 20, "suspended": 0},
            "conditions": [{"type": "Running", "status": "True", "reason": "WorkersReady"}],
            "currentStep": "prune",
            "accuracy": 0.8,
            "restarts": 2,
            "progress": {
                "percent": 42,
                "trainingStep": 7,
                "loss": 1.5,
                "samplesPerSecond": 800.5,
                "remainingSeconds": 60,
                "lost": {"start": 5.0, "rendezvous": 1.0, "restore": 1.0, "replay": 2.0, "checkpoint": 1.0},
            },
            "steps": [train, {"name": "prune", "state": "Running"}],
        }
        | status,
    }


def child(job: str, step: str) -> Object:
    labels = {"trainwright.dev/step": step, "trainwright.dev/job-name": job}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{job}-{step}",
            "namespace": "team-a",
            "uid": f"uid-{job}-{step}",
            "resourceVersion": "1",
            "labels": labels,
            "ownerReferences": [{"uid": f"uid-{job}", "controller": True}],
        },
        "spec": {"parallelism": 4},
        "status": {"ready": 3},
    }


def scrape(store: Store, leading: bool = True, most: int = 1000) -> dict[str, float]:
    """Every series with its value."""
    registry = CollectorRegistry()
    registry.register(JobCollector(store.families, lambda: leading, most))
    lines = generate_latest(registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def filled(*jobs: Object) -> Store:
    store = Store()
    for job in jobs:
        store.put(job)
    return store


def test_a_jobs_figures_agree_with_its_status() -> None:
    store = filled(training_job("digits"), child("digits", "prune"))
    found, job = scrape(store), 'job_name="digits",namespace="team-a"'
    expected = {
        "workers_wanted": 4,
        "workers_ready": 3,
        "restarts": 2,
        "progress_ratio": 0.42,
        "training_step": 7,
        "loss": 1.5,
        "accuracy": 0.8,
        "samples_per_second": 800.5,
        "eta_seconds": 60,
    }
    assert {name: found[f"trainwright_job_{name}{{{job}}}"] for name in expected} == expected
    info = f'framework="pytorch",{job},phase="Running",reason="WorkersReady",step="prune"'
    assert found[f"trainwright_job_info{{{info}}}"] == 1
    assert found['trainwright_jobs{framework="pytorch",namespace="team-a",phase="Running"}'] == 1
    artifact = f'format="safetensors",{job},step="train"'
    assert found[f"trainwright_artifact_latency_seconds{{{artifact}}}"] == 0.002
    assert found[f"trainwright_artifact_accuracy{{{artifact}}}"] == 0.9
    assert found[f"trainwright_artifact_size_bytes{{{artifact}}}"] == 1000
    assert found[f"trainwright_artifact_parameters{{{artifact}}}"] == 50
    assert found[f'trainwright_step_gate_passed{{{job},step="train"}}'] == 1
    ratio = found[f"trainwright_job_goodput_ratio{{{job}}}"]
    assert 0.4 <= ratio < 0.55, "40 s of 100 and a moment"
    assert found[f'trainwright_job_lost_seconds{{cause="restart",{job}}}'] == 20
    assert found[f'trainwright_job_phase_seconds{{{job},phase="running"}}'] >= 50


def test_a_deleted_job_has_no_series_any_more() -> None:
    job = training_job("digits")
    store = filled(job)
    assert any("digits" in series for series in scrape(store))
    store.remove(job)
    assert not any("digits" in series for series in scrape(store))


def test_a_finished_job_keeps_its_series_for_a_while_and_is_counted_for_good() -> None:
    fresh = training_job("fresh", phase="Complete", completionTime=ago(5))
    old = training_job("old", phase="Complete", completionTime=ago(LINGER_SECONDS + 5))
    found = scrape(filled(fresh, old))
    assert any("fresh" in series for series in found)
    assert not any("old" in series for series in found)
    assert found['trainwright_jobs{framework="pytorch",namespace="team-a",phase="Complete"}'] == 2


def test_only_the_leader_speaks_of_jobs() -> None:
    assert scrape(filled(training_job("digits")), leading=False) == {}


def test_beyond_the_cap_the_jobs_that_run_and_then_the_newest_have_series() -> None:
    waiting = [training_job(f"waiting-{age}", created=age, phase="Pending") for age in (300, 200, 400)]
    found = scrape(filled(*waiting, training_job("running", created=999)), most=2)
    assert {name for name in ("running", "waiting-200", "waiting-300") if any(name in one for one in found)} == {
        "running",
        "waiting-200",
    }
    assert found["trainwright_jobs_without_series"] == 2
    assert found['trainwright_jobs{framework="pytorch",namespace="team-a",phase="Pending"}'] == 3


def test_a_job_of_which_nothing_is_known_yet_is_pending() -> None:
    job = training_job("new")
    del job["status"]
    found = scrape(filled(job))
    assert found['trainwright_jobs{framework="pytorch",namespace="team-a",phase="Pending"}'] == 1


def test_ten_thousand_jobs_are_scraped_within_bounds() -> None:
    """The time is the thread's own, the best of three: other load on the machine does not count."""
    store = Store()
    for number in range(10_000):
        store.put(training_job(f"job-{number:05}"))
        store.put(child(f"job-{number:05}", "prune"))
    registry = CollectorRegistry()
    registry.register(JobCollector(store.families, lambda: True, most=1000))
    times = []
    for _ in range(3):
        begun = time.thread_time()
        page = generate_latest(registry)
        times.append(time.thread_time() - begun)
    seconds, series = min(times), sum(not line.startswith(b"#") for line in page.splitlines())
    print(f"{seconds:.2f} s, {len(page) / 1e6:.1f} MB, {series} series")
    assert seconds < 1
    assert len(page) < 10e6
    assert 20_000 < series < 40_000
