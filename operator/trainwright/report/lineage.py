"""Which artifact was made from which, as rows with a line from each to those made from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.report.run import StepRecord

ROW, LANE = 56, 18
"""Height of a row and width of a lane, in pixels."""
MOST_LANES = 6


@dataclass(frozen=True)
class Node:
    """One artifact. `path` is the line from its parent, in SVG's notation; empty when it has none."""

    record: StepRecord
    x: int
    y: int
    path: str
    parent: str | None


@dataclass(frozen=True)
class Lineage:
    """The drawing, with its size in pixels."""

    nodes: list[Node]
    width: int
    height: int


def draw_lineage(steps: Sequence[StepRecord]) -> Lineage:
    """A row for every artifact, in the order in which they were made. What goes on from an artifact first, and was
    accepted, stays in its lane; whatever else was made from it branches off."""
    made = [record for record in steps if record.status.artifact is not None]
    lanes: dict[str, int] = {}
    rows = {record.step.name: row for row, record in enumerate(made)}
    continued: set[str] = set()
    nodes: list[Node] = []
    for row, record in enumerate(made):
        parent = record.parent if record.parent in lanes else None
        stays = parent is not None and record.accepted and parent not in continued
        if parent is None and not lanes:
            lane = 0
        elif parent is not None and stays:
            lane = lanes[parent]
            continued.add(parent)
        else:
            lane = min(max(lanes.values()) + 1, MOST_LANES - 1)
        lanes[record.step.name] = lane
        x, y = _place(lane, row)
        path = "" if parent is None else _line(*_place(lanes[parent], rows[parent]), x, y)
        nodes.append(Node(record, x, y, path, parent))
    return Lineage(nodes, width=LANE * (max(lanes.values(), default=0) + 1), height=ROW * len(made))


def _place(lane: int, row: int) -> tuple[int, int]:
    return LANE // 2 + lane * LANE, ROW // 2 + row * ROW


def _line(x: int, y: int, to_x: int, to_y: int) -> str:
    """Out of the parent's lane within one row, then straight down."""
    turn = y + ROW
    return f"M{x},{y} C{x},{y + ROW * 0.7:g} {to_x},{turn - ROW * 0.7:g} {to_x},{turn} V{to_y}"
