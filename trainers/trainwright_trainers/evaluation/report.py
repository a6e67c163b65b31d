"""What an `evaluate` step tells beyond what a gate can ask for: of a model, and of those that it was made from."""

from collections.abc import Mapping, Sequence

import numpy as np

from trainwright.api.base import JsonObject
from trainwright_trainers.data import Array, Dataset, read_batch
from trainwright_trainers.evaluation.latency import measure_latencies, pinned
from trainwright_trainers.evaluation.measure import Measurement
from trainwright_trainers.evaluation.subject import Subject

MOST_CLASSES = 100
"""The largest confusion matrix that is written out whole."""
MOST_CONFUSIONS = 10


def time_by_batch_size(
    subjects: Mapping[str, Subject], dataset: Dataset, batch_sizes: Sequence[int], threads: int
) -> dict[str, list[JsonObject]]:
    """By model, its time and throughput at each batch size; at each, the models run in turns on the same CPUs."""
    found: dict[str, list[JsonObject]] = {name: [] for name in subjects}
    with pinned(threads):
        models = [subject.open(threads) for subject in subjects.values()]
        for size in batch_sizes:
            inputs, _ = read_batch(dataset, np.arange(size) % len(dataset))
            for name, latency in zip(subjects, measure_latencies(models, inputs), strict=True):
                found[name].append(
                    {
                        "batchSize": size,
                        "p50Ms": round(latency.p50_ms, 4),
                        "p95Ms": round(latency.p95_ms, 4),
                        "samplesPerSecond": round(1000 * size / latency.p50_ms, 1),
                    }
                )
    return found


def describe(measurement: Measurement) -> JsonObject:
    """One model's numbers, without those that were not measured."""
    metrics, top5 = measurement.metrics.to_dict(), measurement.quality.top5_accuracy
    return metrics if top5 is None else metrics | {"top5Accuracy": top5}


def describe_confusion(confusion: Array | None) -> JsonObject:
    """The classes most often taken for another, and the whole matrix (rows are labels) where it isn't too large."""
    if confusion is None:
        return {}
    wrong = confusion * (1 - np.eye(len(confusion), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [(int(place // len(wrong)), int(place % len(wrong))) for place in order]
    details: JsonObject = {
        "confusions": [
            {"label": label, "answer": answer, "count": int(wrong[label, answer])}
            for label, answer in pairs
            if wrong[label, answer]
        ]
    }
    return details | ({"confusionMatrix": confusion.tolist()} if len(confusion) <= MOST_CLASSES else {})
