"""Measurements of several models in one process."""

import time

import numpy as np
import pytest

from trainwright_trainers.data import Array, Arrays
from trainwright_trainers.evaluation import Predict, Subject, latency, measure
from trainwright_trainers.evaluation.latency import measure_latencies
from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.evaluation.weights import count_weights

SAMPLES = Arrays(np.eye(4, dtype=np.float32), np.array([0, 1, 2, 0]))


def waits(seconds: float, calls: list[float] | None = None) -> Predict:
    def predict(batch: Array) -> Array:
        if calls is not None:
            calls.append(seconds)
        time.sleep(seconds)
        return batch

    return predict


def test_ratio_of_two_latencies_is_that_of_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "ROUNDS", 15)
    monkeypatch.setattr(latency, "WARM_UP", 1)
    slow, fast = measure_latencies([waits(0.012), waits(0.003)], SAMPLES.inputs[:1])
    assert 2.5 < slow.p50_ms / fast.p50_ms < 4.5
    assert slow.p50_ms >= 12
    assert slow.p95_ms >= slow.p50_ms


def test_models_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "ROUNDS", 3)
    monkeypatch.setattr(latency, "WARM_UP", 2)
    calls: list[float] = []
    measure_latencies([waits(0.0, calls), waits(0.0001, calls)], SAMPLES.inputs[:1])
    assert calls == [0.0, 0.0001] * 5


def test_slow_model_is_measured_once_and_does_not_hold_up_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "BUDGET_SECONDS", 0.0)
    calls: list[float] = []
    measure_latencies([waits(0.001, calls)], SAMPLES.inputs[:1])
    assert len(calls) == 2  # one to warm up, one that is timed


def test_metrics_are_those_of_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    threads: list[int] = []

    def subject(factor: float, weights: list[Array], size: int) -> Subject:
        def ready(count: int) -> Predict:
            threads.append(count)
            return lambda batch: batch * factor

        return Subject(ready, lambda: weights, size)

    right, wrong = measure(
        [subject(9, [np.array([[1.0, 0, 2, 3]])], 100), subject(-9, [np.zeros(2), np.array([5])], 40)], SAMPLES
    )
    assert right.metrics.accuracy == 0.75
    assert wrong.metrics.accuracy == 0.25
    assert right.metrics.loss is not None
    assert wrong.metrics.loss is not None
    assert right.metrics.loss < wrong.metrics.loss
    assert (right.metrics.parameters, right.metrics.sparsity, right.metrics.size_bytes) == (3, 0.25, 100)
    assert (wrong.metrics.parameters, wrong.metrics.size_bytes) == (1, 40)
    assert wrong.metrics.sparsity == pytest.approx(2 / 3)
    assert threads == [1, 1, 3, 3]  # latency on one thread, quality on all


def test_threads_are_the_processs_cpus_unless_the_variable_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert usable_threads() >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert usable_threads() == 5


def test_model_without_weights_is_not_sparse() -> None:
    assert count_weights([]).sparsity == 0
