"""Scales, curves, trade-offs, lineage and timeline: what is drawn where."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from tests.report.build import BEGIN, HARD, INT8, NOW, ONNX, PRUNE, TRAIN, done, job_of
from trainwright.report import numbers
from trainwright.report.attempts import Attempt
from trainwright.report.curves import BOTTOM, LEFT, MOST_POINTS, RIGHT, TOP, draw_charts, thin
from trainwright.report.history import read_history
from trainwright.report.lineage import draw_lineage
from trainwright.report.run import StepRecord, read_run
from trainwright.report.scales import fit
from trainwright.report.timeline import draw_timeline
from trainwright.report.tradeoffs import draw_tradeoffs

VALUES = st.floats(min_value=-1e30, max_value=1e30)


@given(st.lists(VALUES, min_size=1, max_size=20), st.booleans())
@example([0.0], True)
@example([5e-324, 1.0], True)
@example([1e30, -1e30], False)
@example([0.1, 0.1 + 1e-16], False)
def test_axis_holds_every_value_and_a_few_round_ticks(values: list[float], may_be_log: bool) -> None:
    axis = fit(values, 184, 10, may_be_log=may_be_log)
    for value in values:
        assert 10 <= axis.at(value) <= 184
    ticks = axis.ticks(5)
    assert len(ticks) <= 11
    assert all(10 <= axis.at(tick) <= 184 for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_axis_is_logarithmic_where_values_differ_by_much() -> None:
    axis = fit([0.001, 10], 0, 100, may_be_log=True, margin=0)
    assert axis.log
    assert [axis.at(value) for value in (0.001, 0.1, 10)] == [0, 50, 100]
    assert not fit([0, 10], 0, 100, may_be_log=True).log
    assert not fit([0.001, 10], 0, 100).log


@given(st.lists(st.one_of(st.none(), VALUES), min_size=1, max_size=3 * MOST_POINTS))
def test_thinning_keeps_the_extremes_and_the_order(values: list[float | None]) -> None:
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = thin(points)
    assert len(kept) <= MOST_POINTS
    assert kept == sorted(kept, key=lambda point: point[0])
    assert set(kept) <= set(points)
    known = [value for value in values if value is not None]
    if known:
        drawn = [value for _, value in kept if value is not None]
        assert (min(drawn), max(drawn)) == (min(known), max(known))


def test_loss_that_is_no_number_is_a_gap_in_its_curve() -> None:
    losses = [2.0, 1.5, None, 1.0, 0.5, math.nan, math.inf, 1e300, 0.25]
    history = read_history({"step": step, "loss": loss} for step, loss in enumerate(losses, start=1))
    (chart,) = draw_charts(history, [])
    assert [len(line) for line in chart.curves[0].lines] == [2, 2, 1]
    assert chart.curves[0].last == "0.250"
    for line in chart.curves[0].lines:
        for x, y in (map(float, point.split(",")) for point in line):
            assert LEFT <= x <= RIGHT
            assert TOP <= y <= BOTTOM


def test_every_record_of_the_history_is_a_point_and_a_restart_is_marked() -> None:
    records = [{"step": step, "loss": 1 / step, "learningRate": 0.1} for step in range(1, 151)]
    records += [{"step": 75, "epoch": 1, "accuracy": 0.5, "validationLoss": 1.0}]
    records += [{"step": 150, "epoch": 2, "accuracy": 0.7, "validationLoss": 0.5}]
    attempts = [Attempt(1, BEGIN), Attempt(2, BEGIN + 5, resumed_at=100)]
    charts = {chart.title: chart for chart in draw_charts(read_history(records), attempts)}
    assert list(charts) == ["Loss", "Accuracy", "Learning rate"]
    training, validation = charts["Loss"].curves
    assert [len(line) for line in training.lines] == [150]
    assert [len(line) for line in validation.lines] == [2]
    assert [restart.text for restart in charts["Loss"].restarts] == ["attempt 2 went on from step 100"]
    assert "training ends at 0.00667; validation ends at 0.500" in charts["Loss"].summary
    assert len(charts["Loss"].bands) <= 100


def test_history_that_is_no_history_draws_nothing() -> None:
    rubbish = [
        None,
        {},
        {"step": "1", "loss": 1},
        {"step": -1},
        {"step": True},
        {"step": 10**400},
        {"step": 1, "loss": []},
    ]
    history = read_history(rubbish)
    assert history.unreadable == 6
    assert draw_charts(history, []) == []


def _steps(*names_and_sizes: tuple[str, float, int]) -> tuple[StepRecord, ...]:
    steps = {"train": TRAIN, "prune": PRUNE, "hard": HARD, "int8": INT8, "onnx": ONNX}
    statuses = [done(name, accuracy, size) for name, accuracy, size in names_and_sizes]
    statuses = [
        status.model_copy(update={"state": "RolledBack"}) if status.name == "hard" else status for status in statuses
    ]
    return read_run(job_of([steps[name] for name, _, _ in names_and_sizes], statuses)).steps


def test_artifacts_of_the_same_size_and_accuracy_have_labels_that_can_be_read() -> None:
    chart, _ = draw_tradeoffs(_steps(("train", 0.98, 300_000), ("int8", 0.97, 39_000), ("onnx", 0.97, 39_000)))
    int8, onnx = chart.marks[1:]
    assert (int8.x, int8.y) == (onnx.x, onnx.y)
    assert abs(int8.label_y - onnx.label_y) >= 13 or int8.anchor != onnx.anchor
    assert "int8: accuracy 0.9700, size 39.0 kB" in chart.summary


def test_refused_artifact_far_below_does_not_flatten_the_others() -> None:
    chart, _ = draw_tradeoffs(_steps(("train", 0.98, 300_000), ("hard", 0.1, 9_000), ("prune", 0.97, 100_000)))
    marks = {mark.label: mark for mark in chart.marks}
    assert marks["hard: 0.1000"].far_below
    assert not marks["hard: 0.1000"].accepted
    assert marks["prune"].y - marks["train"].y > 100


def test_one_artifact_is_nothing_to_compare() -> None:
    assert draw_tradeoffs(_steps(("train", 0.98, 300_000))) == []


def test_what_was_rolled_back_branches_off_and_the_chain_goes_on() -> None:
    lineage = draw_lineage(
        _steps(("train", 0.98, 9), ("hard", 0.1, 3), ("prune", 0.97, 5), ("int8", 0.97, 4), ("onnx", 0.97, 4))
    )
    assert [(node.record.step.name, node.parent) for node in lineage.nodes] == [
        ("train", None),
        ("hard", "train"),
        ("prune", "train"),
        ("int8", "prune"),
        ("onnx", "int8"),
    ]
    lanes = [node.x for node in lineage.nodes]
    assert lanes[0] == lanes[2] == lanes[3] == lanes[4] < lanes[1]
    assert lineage.nodes[2].path.endswith(f"V{lineage.nodes[2].y}")


def test_timeline_shows_what_was_lost_at_the_end_of_the_attempt_that_had_done_it() -> None:
    (train,) = read_run(job_of([TRAIN], [done("train", 0.9)])).steps
    attempts = [
        Attempt(1, BEGIN, BEGIN + 40, "Failed", "SIGKILL"),
        Attempt(2, BEGIN + 50, BEGIN + 100, "Succeeded", resumed_at=200, undone_steps=37, undone_seconds=10),
    ]
    record = StepRecord(train.step, train.status, attempts=attempts)
    timeline = draw_timeline([record], NOW.timestamp())
    assert timeline is not None
    bars = [(bar.kind, bar.left, bar.width) for bar in timeline.rows[0].bars]
    assert bars == [("failed", 0, 40), ("undone", 30, 10), ("succeeded", 50, 50)]
    assert (timeline.undone_steps, timeline.undone_seconds, timeline.waited_seconds) == (37, 10, 10)
    assert timeline.rows[0].label == "train: 1 min 40 s, 2 attempts"
    assert draw_timeline([], NOW.timestamp()) is None


def test_attempt_that_runs_goes_to_now() -> None:
    (train,) = read_run(job_of([TRAIN], [done("train", 0.9)])).steps
    timeline = draw_timeline([StepRecord(train.step, train.status, attempts=[Attempt(1, BEGIN)])], BEGIN + 8)
    assert timeline is not None
    assert [(bar.kind, bar.width) for bar in timeline.rows[0].bars] == [("running", 100)]


@pytest.mark.parametrize(
    ("seconds", "last"),
    [
        (4.2, "4 s"),
        (100, "1 min 30 s"),
        (343, "4 min"),
        (5 * 86_400, "5 d"),
        (40 * 86_400, "40 d"),
        (1e11, "925928 d"),
    ],
)
def test_timeline_counts_time_as_people_do(seconds: float, last: str) -> None:
    (train,) = read_run(job_of([TRAIN], [done("train", 0.9)])).steps
    attempts = [Attempt(1, BEGIN, BEGIN + seconds, "Succeeded")]
    timeline = draw_timeline([StepRecord(train.step, train.status, attempts=attempts)], NOW.timestamp())
    assert timeline is not None
    assert timeline.ticks[0] == (0, "0 s")
    assert timeline.ticks[-1][1] == last
    assert len(timeline.ticks) <= 6


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (numbers.size(39_039), "39.0 kB"),
        (numbers.size(999_999), "1.00 MB"),
        (numbers.size(12), "12.0 B"),
        (numbers.tick(732_500_000, "B"), "732.5 MB"),
        (numbers.tick(2000), "2,000"),
        (numbers.tick(0.0001), "0.0001"),
        (numbers.duration(59.97), "1 min"),
        (numbers.duration(3_600 + 125), "1 h 2 min"),
        (numbers.duration(90_000), "1 d 1 h"),
        (numbers.duration(0.25), "0.2 s"),
        (numbers.change(50, 100), "\N{MINUS SIGN}50 %"),
        (numbers.change(100.1, 100), "±0 %"),
        (numbers.short(1359), "1.36k"),
        (numbers.short(1.04e-8), "1.0e-08"),
    ],
)
def test_numbers_read_well(shown: str, words: str) -> None:
    assert shown == words
