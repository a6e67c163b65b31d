"""Size and latency of every artifact against its accuracy: the geometry of a chart of labelled points."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainwright.api.contract import Metrics
from trainwright.report import numbers
from trainwright.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, Tick
from trainwright.report.files import number
from trainwright.report.run import StepRecord
from trainwright.report.scales import fit

FAR, SMALLEST_RANGE = 3, 0.005
"""A refused artifact is far off when it is below the accepted ones by so many times the range of their accuracies."""
LETTER, LINE = 6.2, 13
"""Width of a label's letter and height of its line, about."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Mark:
    """One artifact, and where its label stands.

    Attributes:
        far_below: it was refused, and is so bad that it is only shown at the edge.
    """

    label: str
    accepted: bool
    far_below: bool
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str
    text: str


@dataclass(frozen=True)
class TradeOff:
    """One chart."""

    title: str
    axis: str
    summary: str
    marks: list[Mark]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    log: bool


def draw_tradeoffs(steps: Sequence[StepRecord]) -> list[TradeOff]:
    """Accuracy over size, and over latency; none of a pair that fewer than two artifacts were measured in."""
    charts = [
        _draw("size", "B", steps, lambda metrics: metrics.size_bytes, numbers.size),
        _draw("latency", "ms", steps, lambda metrics: metrics.latency_ms, numbers.milliseconds),
    ]
    return [chart for chart in charts if chart is not None]


def _draw(
    axis: str,
    unit: str,
    steps: Sequence[StepRecord],
    cost: Callable[[Metrics], float | None],
    form: Callable[[float], str],
) -> TradeOff | None:
    found = [
        (record, spent, accuracy)
        for record in steps
        if record.status.artifact is not None
        and (metrics := record.status.metrics or record.status.artifact.metrics)
        and (accuracy := number(metrics.accuracy)) is not None
        and (spent := number(cost(metrics))) is not None
    ]
    if len(found) < 2:
        return None
    worst = _worst_in_sight([(accuracy, record.accepted) for record, _, accuracy in found])
    x = fit([spent for _, spent, _ in found], LEFT, RIGHT, may_be_log=True, margin=0.12)
    y = fit([max(accuracy, worst) for _, _, accuracy in found], BOTTOM, TOP, margin=0.15)
    taken: list[Box] = []
    for _, spent, accuracy in found:
        left, top = x.at(spent), y.at(max(accuracy, worst))
        taken.append((left - 6, top - 6, left + 6, top + 6))
    marks: list[Mark] = []
    for record, spent, accuracy in found:
        far_below = accuracy < worst
        left, top = x.at(spent), BOTTOM - 8.0 if far_below else y.at(accuracy)
        label = f"{record.step.name}: {numbers.share(accuracy)}" if far_below else record.step.name
        text = f"{record.step.name}: accuracy {numbers.share(accuracy)}, {axis} {form(spent)}"
        label_x, label_y, anchor = _place_label(label, left, top, taken)
        marks.append(Mark(label, record.accepted, far_below, left, top, label_x, label_y, anchor, text))
    title = f"Accuracy against {axis}"
    return TradeOff(
        title=title,
        axis=axis,
        summary=f"{title}. {'; '.join(mark.text for mark in marks)}.",
        marks=marks,
        x_ticks=[Tick(x.at(value), numbers.tick(value, unit)) for value in x.ticks(4) if value >= 0],
        y_ticks=[Tick(y.at(value), numbers.tick(value)) for value in y.ticks(5) if value <= 1],
        log=x.log,
    )


def _worst_in_sight(accuracies: Sequence[tuple[float, bool]]) -> float:
    """The lowest accuracy that the axis goes down to: a refused artifact that is far off would flatten the others."""
    accepted = [accuracy for accuracy, was_accepted in accuracies if was_accepted]
    if not accepted:
        return min(accuracy for accuracy, _ in accuracies)
    floor = min(accepted) - FAR * max(max(accepted) - min(accepted), SMALLEST_RANGE)
    return min([accuracy for accuracy, _ in accuracies if accuracy >= floor])


def _place_label(name: str, x: float, y: float, taken: list[Box]) -> tuple[float, float, str]:
    """Where the label covers nothing, as far as there is such a place; its box is added to those that are taken."""
    width = LETTER * len(name)
    places = [
        *((x + 9, y + shift, "start") for shift in (4, -9, 17)),
        *((x - 9, y + shift, "end") for shift in (4, -9, 17)),
        *((x, y + shift, "middle") for shift in (-11, 21, -24, 34)),
    ]
    boxes = [_box(place, width) for place in places]
    free = (
        (place, box)
        for place, box in zip(places, boxes, strict=True)
        if box[0] >= 0
        and box[2] <= RIGHT + 8
        and box[1] >= 0
        and box[3] <= HEIGHT
        and not any(_meet(box, other) for other in taken)
    )
    place, box = next(free, (places[0], boxes[0]))
    taken.append(box)
    return place


def _box(place: tuple[float, float, str], width: float) -> Box:
    x, y, anchor = place
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, y - LINE + 3, left + width, y + 3


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
