"""What one scrape of the operator's metrics costs when all of very many jobs run.

    python -m benchmarks.metrics_scrape [JOBS]

The jobs lie in the operator's own store as the API server hands them out, halfway through a chain of two steps. Each
row is the median of a few scrapes: with the default number of jobs that have series of their own, and with all of them.
"""

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import generate_latest

from benchmarks.load.report import Row, show
from trainwright.api.base import format_time
from trainwright.controller.options import OperatorOptions
from trainwright.controller.store import Store
from trainwright.metrics.jobs import JobCollector
from trainwright.metrics.operator import OperatorMetrics

Object = dict[str, Any]

SCRAPES = 5
SECONDS, MEGABYTES = 1.0, 10.0
"""What a scrape may take, and how large its page may be."""

AGE = timedelta(hours=1)
OWN = OperatorOptions.model_fields["metrics_jobs"].default
"""Jobs that have series of their own unless the user says another number."""


def training_job(name: str) -> Object:
    """A job that has trained and prunes now."""
    since = format_time(datetime.now(UTC) - AGE)
    trained = {
        "name": "train",
        "state": "Succeeded",
        "metrics": {"accuracy": 0.97, "latencyMs": 0.5, "sizeBytes": 700_000, "parameters": 175_000},
        "artifact": {"name": "train", "format": "safetensors"},
        "gate": {"passed": True, "message": "accuracy 0.97, at least 0.9 was wanted"},
    }
    lost = {"start": 4.0, "rendezvous": 0.5, "restore": 0.2, "replay": 1.5, "checkpoint": 0.1}
    progress = {"percent": 42, "trainingStep": 700, "loss": 0.31, "samplesPerSecond": 8000.5, "remainingSeconds": 60}
    status = {
        "phase": "Running",
        "phaseSince": since,
        "phaseSeconds": {"pending": 10, "running": 600, "restarting": 5, "suspended": 0},
        "conditions": [{"type": "Running", "status": "True", "reason": "WorkersReady"}],
        "currentStep": "prune",
        "accuracy": 0.97,
        "restarts": 1,
        "progress": progress | {"lost": lost},
        "steps": [trained, {"name": "prune", "state": "Running"}],
    }
    metadata = {"name": name, "namespace": "team", "uid": name, "resourceVersion": "1", "creationTimestamp": since}
    return {
        "apiVersion": "trainwright.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": metadata,
        "spec": {"framework": "pytorch"},
        "status": status,
    }


def measure(store: Store, most: int) -> tuple[float, bytes]:
    """Median seconds of a scrape, and its page, where `most` jobs have series of their own."""
    registry = OperatorMetrics().registry
    registry.register(JobCollector(store.families, lambda: True, most))
    seconds = []
    for _ in range(SCRAPES):
        start = time.perf_counter()
        page = generate_latest(registry)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), page


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics_scrape", description=__doc__.splitlines()[0])
    parser.add_argument("jobs", type=int, nargs="?", default=10_000, help="jobs that run (default: 10000)")
    jobs = parser.parse_args().jobs
    store = Store()
    for number in range(jobs):
        store.put(training_job(f"job-{number}"))
    for most, wanted in ((min(OWN, jobs), True), (jobs, False)):
        seconds, page = measure(store, most)
        series = sum(1 for line in page.splitlines() if not line.startswith(b"#"))
        show(
            f"{jobs} jobs run, {most} have series of their own",
            [
                Row("time of a scrape", f"{seconds:.2f} s", f"at most {SECONDS:.0f} s" if wanted else ""),
                Row("its page", f"{len(page) / 1e6:.1f} MB", f"at most {MEGABYTES:.0f} MB" if wanted else ""),
                Row("series", f"{series:,}"),
            ],
        )


if __name__ == "__main__":
    main()
