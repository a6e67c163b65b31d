"""Decides whether a step's result passes its gate."""

from collections.abc import Iterator
from math import isclose

from trainwright.api.contract import Metrics
from trainwright.api.gates import HIGHER_IS_BETTER, METRICS, Gate, Goal
from trainwright.api.status import GateResult

_FIELDS = {"latency": "latency_ms", "size": "size_bytes"}
_UNITS = {"latency": " ms", "size": " bytes"}


def decide_gate(gate: Gate, measured: Metrics, reference: Metrics) -> GateResult:
    """Holds what was measured against the reference.

    Args:
        gate: the goals.
        measured: metrics of the step's result.
        reference: metrics of the artifact that it is compared with.

    Returns:
        Whether every goal was met, with one sentence a goal that has the numbers. A metric that a goal needs and
        that was not measured is a miss.
    """
    verdicts = [
        verdict
        for metric in METRICS
        if (goal := getattr(gate, metric)) is not None
        for verdict in _judge(metric, goal, _value(measured, metric), _value(reference, metric))
    ]
    return GateResult(
        passed=all(passed for passed, _ in verdicts), message="; ".join(sentence for _, sentence in verdicts)
    )


def _value(metrics: Metrics, metric: str) -> float | None:
    value: float | None = getattr(metrics, _FIELDS.get(metric, metric))
    return value


def _judge(metric: str, goal: Goal, measured: float | None, reference: float | None) -> Iterator[tuple[bool, str]]:
    """Whether each limit of the goal is kept, and a sentence that says so."""
    if measured is None:
        yield False, f"{metric} was not measured"
        return
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    unit = _UNITS.get(metric, "")
    for least, wanted in _bounds(metric, goal, reference, sign):
        if least is None:
            yield False, f"{metric} {measured:.6g}{unit}, {wanted}, but there is no {metric} to compare with"
            continue
        passed = sign * measured >= sign * least or isclose(measured, least)  # 0.3 - 0.1 is a little less than 0.2
        bound = f"{'at least' if sign > 0 else 'at most'} {least:.6g}{unit}"
        yield passed, f"{metric} {measured:.6g}{unit} {'is' if passed else 'is not'} {bound} ({wanted})"


def _bounds(metric: str, goal: Goal, reference: float | None, sign: int) -> Iterator[tuple[float | None, str]]:
    """The bound that each limit of the goal sets on the metric, and the limit in words."""
    unit = _UNITS.get(metric, "")
    if goal.threshold is not None:
        yield goal.threshold, "the threshold"
    for amount, direction, relative in (
        (goal.max_degradation, -1, False),
        (goal.percent_max_degradation, -1, True),
        (goal.min_improvement, 1, False),
        (goal.percent_min_improvement, 1, True),
    ):
        if amount is None:
            continue
        words = "at most {} worse" if direction < 0 else "at least {} better"
        words = words.format(f"{amount:.6g}{' %' if relative else unit}")
        if reference is None:
            yield None, words
        else:
            change = abs(reference) * amount / 100 if relative else amount
            yield reference + sign * direction * change, f"{words} than {reference:.6g}{unit}"
