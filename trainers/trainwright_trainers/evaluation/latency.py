"""How long one inference takes."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.subject import Predict

ROUNDS = 200
"""Timed inferences of each model at most."""
WARM_UP = 20
"""Inferences before these."""
BUDGET_SECONDS = 10.0
"""Time after which no further round begins, so that a slow model does not hold up the job; at least one is timed."""


@dataclass(frozen=True)
class Latency:
    """Time of one inference, in milliseconds."""

    p50_ms: float
    p95_ms: float


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Keep this thread, and those that are started in the meantime, on as many CPUs as there are to be threads.

    Which CPUs depends on the process, so that pods that share a node don't all measure on its first one.
    """
    usable = sorted(os.sched_getaffinity(0))
    first = os.getpid() % len(usable)
    os.sched_setaffinity(0, {usable[(first + offset) % len(usable)] for offset in range(threads)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def measure_latencies(models: Sequence[Predict], sample: Array) -> list[Latency]:
    """Time of inference of each model on the batch `sample`, in rounds that run one after the other (A B A B ...).

    What else the machine does in the meantime then slows all of them alike, and their ratio stays right.
    """
    _run_rounds(models, sample, WARM_UP)
    times = _run_rounds(models, sample, ROUNDS)
    return [Latency(*(float(p) for p in np.percentile(column, [50, 95]))) for column in np.transpose(times)]


def _run_rounds(models: Sequence[Predict], sample: Array, rounds: int) -> list[list[float]]:
    """Milliseconds by round and model."""
    end = time.perf_counter() + BUDGET_SECONDS
    times: list[list[float]] = []
    while len(times) < rounds and (not times or time.perf_counter() < end):
        times.append([_time(predict, sample) for predict in models])
    return times


def _time(predict: Predict, sample: Array) -> float:
    start = time.perf_counter()
    predict(sample)
    return (time.perf_counter() - start) * 1000
