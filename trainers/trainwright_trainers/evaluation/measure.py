"""Everything a gate can ask for, measured of several models in one process."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.api.contract import Metrics
from trainwright_trainers.data import Dataset, read_batch
from trainwright_trainers.evaluation.latency import measure_latencies, pinned
from trainwright_trainers.evaluation.quality import Quality, measure_quality
from trainwright_trainers.evaluation.subject import Subject
from trainwright_trainers.evaluation.weights import count_weights

LATENCY_THREADS = 1
"""Threads that latency is measured on: with one, other load on the machine disturbs it least."""
BATCH_SIZE = 256
"""Samples a forward pass of the quality's measurement, where the step doesn't say."""


@dataclass(frozen=True)
class Measurement:
    """What was measured of one model."""

    metrics: Metrics
    latency_p95_ms: float
    samples_per_second: float
    quality: Quality


def measure(subjects: Sequence[Subject], validation: Dataset, batch_size: int = BATCH_SIZE) -> list[Measurement]:
    """Measure each model: quality on the whole of `validation`, latency on its first sample."""
    sample, _ = read_batch(validation, [0])
    with pinned(LATENCY_THREADS):
        latencies = measure_latencies([subject.open(LATENCY_THREADS) for subject in subjects], sample)
    found = []
    for subject, latency in zip(subjects, latencies, strict=True):
        quality = measure_quality(subject.open(usable_threads()), validation, batch_size)
        weights = count_weights(subject.weights())
        metrics = Metrics(
            accuracy=quality.accuracy,
            loss=quality.loss,
            latency_ms=latency.p50_ms,
            size_bytes=subject.size_bytes,
            parameters=weights.nonzero,
            sparsity=weights.sparsity,
        )
        found.append(Measurement(metrics, latency.p95_ms, quality.samples_per_second, quality))
    return found


def usable_threads() -> int:
    """How many threads this process may use: OMP_NUM_THREADS where it is set, else the CPUs it may run on."""
    return int(os.environ.get("OMP_NUM_THREADS") or 0) or len(os.sched_getaffinity(0))
