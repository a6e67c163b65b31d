"""Curves over a training's optimizer steps: the geometry of a chart, which a template draws as SVG."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from trainwright.report import numbers
from trainwright.report.attempts import Attempt
from trainwright.report.history import History, Point
from trainwright.report.scales import Scale, fit

WIDTH, HEIGHT = 400, 224
LEFT, RIGHT, TOP, BOTTOM = 56, 388, 10, 184
"""The plot inside the drawing; outside of it are the axes' words."""
MOST_POINTS = 2000
"""Points of a curve that are drawn. Of more, the lowest and the highest of each small stretch are."""
MOST_BANDS = 100
"""Stretches of a chart that tell their numbers when they are pointed at."""
MARKED_POINTS = 40
"""A curve of so few points shows each as a dot."""


@dataclass(frozen=True)
class Subject:
    """What a chart shows: a title, and the history's fields with their names in its legend."""

    title: str
    fields: tuple[tuple[str, str], ...]
    form: Callable[[float], str] = numbers.short
    unit: str = ""
    may_be_log: bool = False


SUBJECTS = (
    Subject("Loss", (("loss", "training"), ("validationLoss", "validation")), may_be_log=True),
    Subject("Accuracy", (("accuracy", "validation"),), numbers.share),
    Subject("Learning rate", (("learningRate", "learning rate"),)),
    Subject("Throughput, samples a second", (("samplesPerSecond", "all workers together"),)),
    Subject(
        "Memory of rank 0", (("memoryBytes", "resident"), ("gpuMemoryBytes", "GPU, held by tensors")), numbers.size, "B"
    ),
)


@dataclass(frozen=True)
class Tick:
    """A word beside an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: in the legend.
        style: number of its colour, from 1.
        lines: its points in unbroken stretches, each point as `x,y`.
        dots: its points where they are shown one by one, x and y.
        last: its last value, in words.
        thinned: how many points it stands for, where not all are drawn; else 0.
    """

    name: str
    style: int
    lines: list[list[str]]
    dots: list[tuple[float, float]]
    last: str
    thinned: int


@dataclass(frozen=True)
class Band:
    """A stretch of the chart that tells its numbers when it is pointed at."""

    left: float
    width: float
    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """One chart."""

    title: str
    summary: str
    curves: list[Curve]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    log: bool
    restarts: list[Tick] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)


def draw_charts(history: History, attempts: Sequence[Attempt]) -> list[Chart]:
    """A chart for every subject that the history has numbers for."""
    return [chart for subject in SUBJECTS if (chart := _draw(subject, history, attempts)) is not None]


def _draw(subject: Subject, history: History, attempts: Sequence[Attempt]) -> Chart | None:
    known = [(name, history.series[key]) for key, name in subject.fields if key in history.series]
    values = [value for _, points in known for _, value in points if value is not None]
    if max((len(points) for _, points in known), default=0) < 2 or not values:
        return None  # the table beside it tells as much
    x = fit([0, max(history.last_step, 1)], LEFT, RIGHT, margin=0)
    y = fit(values, BOTTOM, TOP, may_be_log=subject.may_be_log)
    ticks = y.ticks(5) if max(values) > min(values) else values[:1]
    curves = [_curve(subject, name, style, points, x, y) for style, (name, points) in enumerate(known, start=1)]
    said = "; ".join(f"{curve.name} ends at {curve.last}" for curve in curves)
    return Chart(
        title=subject.title,
        summary=f"{subject.title} over {history.last_step} optimizer steps: {said}.",
        curves=curves,
        x_ticks=[Tick(x.at(step), f"{step:,.0f}") for step in x.ticks(5) if step == round(step)],
        y_ticks=[Tick(y.at(value), numbers.tick(value, subject.unit)) for value in ticks],
        log=y.log,
        restarts=[
            Tick(x.at(attempt.resumed_at or 0), f"attempt {attempt.number} went on from step {attempt.resumed_at or 0}")
            for attempt in attempts[1:]
            if (attempt.resumed_at or 0) <= history.last_step
        ],
        bands=list(_bands(subject, known, x)),
    )


def _curve(subject: Subject, name: str, style: int, points: list[Point], x: Scale, y: Scale) -> Curve:
    shown = thin(points)
    placed = [None if value is None else (x.at(step), y.at(value)) for step, value in shown]
    last = next((value for _, value in reversed(points) if value is not None), None)
    return Curve(
        name=name,
        style=style,
        lines=list(_unbroken(placed)),
        dots=[place for place in placed if place is not None] if len(placed) <= MARKED_POINTS else [],
        last="no number" if last is None else subject.form(last),
        thinned=len(points) if len(shown) < len(points) else 0,
    )


def thin(points: list[Point]) -> list[Point]:
    """At most MOST_POINTS of the points: the lowest and the highest of each stretch, so that no spike is lost."""
    if len(points) <= MOST_POINTS:
        return points
    kept: list[Point] = []
    stretches = MOST_POINTS // 2
    for index in range(stretches):
        stretch = points[index * len(points) // stretches : (index + 1) * len(points) // stretches]
        drawable = [point for point in stretch if point[1] is not None] or stretch[:1]
        lowest, highest = (choose(drawable, key=lambda point: point[1] or 0.0) for choose in (min, max))
        kept += [lowest] if lowest == highest else sorted((lowest, highest), key=lambda point: point[0])
    return kept


def _unbroken(places: Sequence[tuple[float, float] | None]) -> Iterator[list[str]]:
    line: list[str] = []
    for place in [*places, None]:
        if place is not None:
            line.append(f"{place[0]:g},{place[1]:g}")
        elif line:
            yield line
            line = []


def _bands(subject: Subject, known: list[tuple[str, list[Point]]], x: Scale) -> Iterator[Band]:
    """Equally wide stretches, each with the last values in it."""
    steps = sorted({step for _, points in known for step, _ in points})
    every = max(-(-len(steps) // MOST_BANDS), 1)
    ends = steps[every - 1 :: every]
    if not ends or ends[-1] != steps[-1]:
        ends.append(steps[-1])
    newest = [dict(points) for _, points in known]
    left = float(LEFT)
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        right = RIGHT if following is None else (x.at(end) + x.at(following)) / 2
        told = [
            f"{name} {subject.form(value)}"
            for (name, _), values in zip(known, newest, strict=True)
            if (value := values.get(end)) is not None
        ]
        if told:
            yield Band(left, round(right - left, 1), x.at(end), f"step {end:g}: {', '.join(told)}")
            left = round(right, 1)
