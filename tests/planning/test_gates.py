"""A gate is one pure function of the goals, what was measured and what it is compared with."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from trainwright.api.contract import Metrics
from trainwright.api.gates import HIGHER_IS_BETTER, METRICS, Gate
from trainwright.planning.gates import decide_gate

FIELDS = {"latency": "latencyMs", "size": "sizeBytes"}


def metrics(**values: Any) -> Metrics:
    return Metrics.model_validate({FIELDS.get(name, name): value for name, value in values.items()})


def decide(gate: dict[str, Any], measured: dict[str, Any], reference: dict[str, Any] | None = None) -> Any:
    return decide_gate(Gate.model_validate(gate), metrics(**measured), metrics(**(reference or {})))


@pytest.mark.parametrize(
    ("metric", "goal", "reference", "just_passes", "just_misses"),
    [
        ("accuracy", {"threshold": 0.9}, None, 0.9, 0.8999),
        ("accuracy", {"maxDegradation": 0.01}, 0.95, 0.94, 0.9399),
        ("accuracy", {"percentMaxDegradation": 10.0}, 0.9, 0.81, 0.8099),
        ("accuracy", {"minImprovement": 0.02}, 0.9, 0.92, 0.9199),
        ("accuracy", {"percentMinImprovement": 10.0}, 0.5, 0.55, 0.5499),
        ("accuracy", {"maxDegradation": 0.0}, 0.95, 0.95, 0.9499),
        ("loss", {"threshold": 0.3}, None, 0.3, 0.301),
        ("loss", {"maxDegradation": 0.1}, 0.5, 0.6, 0.601),
        ("loss", {"percentMinImprovement": 20.0}, 0.5, 0.4, 0.401),
        ("loss", {"percentMaxDegradation": 10.0}, -2.0, -1.8, -1.79),
        ("latency", {"threshold": 5.0}, None, 5.0, 5.01),
        ("latency", {"percentMinImprovement": 10.0}, 10.0, 9.0, 9.01),
        ("latency", {"percentMaxDegradation": 10.0}, 10.0, 11.0, 11.01),
        ("latency", {"minImprovement": 1.5}, 10.0, 8.5, 8.51),
        ("size", {"percentMinImprovement": 40.0}, 1000, 600, 601),
        ("size", {"maxDegradation": 24.0}, 1000, 1024, 1025),
        ("parameters", {"percentMinImprovement": 50.0}, 38000, 19000, 19001),
    ],
)
def test_a_limit_is_met_at_its_bound_and_missed_beyond_it(
    metric: str, goal: dict[str, float], reference: float | None, just_passes: float, just_misses: float
) -> None:
    against = {} if reference is None else {metric: reference}
    assert decide({metric: goal}, {metric: just_passes}, against).passed
    assert not decide({metric: goal}, {metric: just_misses}, against).passed


def test_a_bound_that_binary_fractions_can_not_hold_is_still_met() -> None:
    assert 0.3 - 0.1 < 0.2  # the bound comes out as 0.19999999999999998 ...
    assert decide({"loss": {"minImprovement": 0.1}}, {"loss": 0.2}, {"loss": 0.3}).passed


def test_a_metric_that_was_not_measured_is_a_miss() -> None:
    verdict = decide({"accuracy": {"threshold": 0.0}}, {})
    assert not verdict.passed
    assert verdict.message == "accuracy was not measured"


def test_a_relative_limit_without_anything_to_compare_with_is_a_miss() -> None:
    verdict = decide({"latency": {"percentMinImprovement": 10.0}}, {"latency": 1.0})
    assert not verdict.passed
    assert "there is no latency to compare with" in verdict.message


def test_a_threshold_needs_nothing_to_compare_with() -> None:
    assert decide({"size": {"threshold": 10.0}}, {"size": 9}).passed


def test_every_limit_of_every_metric_must_hold_and_each_is_told() -> None:
    gate = {
        "accuracy": {"threshold": 0.9, "maxDegradation": 0.01},
        "size": {"percentMinImprovement": 50.0},
    }
    verdict = decide(gate, {"accuracy": 0.93, "size": 400}, {"accuracy": 0.95, "size": 1000})
    assert not verdict.passed
    assert verdict.message.split("; ") == [
        "accuracy 0.93 is at least 0.9 (the threshold)",
        "accuracy 0.93 is not at least 0.94 (at most 0.01 worse than 0.95)",
        "size 400 bytes is at most 500 bytes (at least 50 % better than 1000 bytes)",
    ]


LIMITS = ("maxDegradation", "percentMaxDegradation", "minImprovement", "percentMinImprovement", "threshold")
VALUES = st.integers(1, 10_000)


@given(
    metric=st.sampled_from(METRICS),
    limit=st.sampled_from(LIMITS),
    amount=st.integers(0, 100),
    reference=VALUES,
    measured=VALUES,
    better=st.integers(0, 1000),
)
def test_what_passes_still_passes_when_it_is_better(
    metric: str, limit: str, amount: int, reference: int, measured: int, better: int
) -> None:
    gate = {metric: {limit: float(amount)}}
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    whole = metric in ("size", "parameters")
    values = [value if whole else float(value) for value in (reference, measured, measured + sign * better)]
    against, first, second = ({metric: value} for value in values)
    if decide(gate, first, against).passed:
        assert decide(gate, second, against).passed


@given(metric=st.sampled_from(METRICS), amount=st.integers(0, 50), value=VALUES)
def test_the_same_is_never_a_degradation_nor_an_improvement(metric: str, amount: int, value: int) -> None:
    same = {metric: value if metric in ("size", "parameters") else float(value)}
    for limit in ("maxDegradation", "percentMaxDegradation"):
        assert decide({metric: {limit: float(amount)}}, same, same).passed
    for limit in ("minImprovement", "percentMinImprovement"):
        assert decide({metric: {limit: float(amount)}}, same, same).passed == (amount == 0)
