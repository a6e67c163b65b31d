"""Accuracy, latency, size and parity: the same measuring for every framework and format."""

from trainwright_trainers.evaluation.measure import Measurement, measure
from trainwright_trainers.evaluation.parity import Parity, ParityError, compare, compare_exactly, compare_quantized
from trainwright_trainers.evaluation.quality import Quality, measure_quality
from trainwright_trainers.evaluation.subject import Predict, Subject

__all__ = [
    "Measurement",
    "Parity",
    "ParityError",
    "Predict",
    "Quality",
    "Subject",
    "compare",
    "compare_exactly",
    "compare_quantized",
    "measure",
    "measure_quality",
]
