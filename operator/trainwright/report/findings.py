"""What a step found out beyond its metrics, as tables: the details of its result, whatever they are called.

A profile's dearest operators, the memory of a training by module, a model and its ancestors by batch size, teacher and
student: each is a list of objects or some objects of the same fields, so that a new one needs nothing here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainwright.report import numbers
from trainwright.report.files import number
from trainwright.report.run import StepRecord

MOST_TABLES = 12
MOST_ROWS = 50
MOST_COLUMNS = 12
DEEPEST = 4
"""Objects within objects that are looked into."""
FINDERS = ("distill", "evaluate", "profile")
"""Kinds of steps that are run for what they find out, among other things: theirs is shown at once."""


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column tells what a row is about."""

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Finding:
    """What one step found out."""

    record: StepRecord
    tables: list[Table]
    shown: bool
    """At once, and not only when it is asked for."""


def read_findings(steps: Iterable[StepRecord]) -> list[Finding]:
    """Of each step that told something."""
    found = [(record, find_tables(record.result.details)[:MOST_TABLES]) for record in steps if record.result]
    return [Finding(record, tables, record.step.kind in FINDERS) for record, tables in found if tables]


def find_tables(details: Mapping[str, Any], title: str = "", depth: int = 0) -> list[Table]:
    """The tables in an object: one of its plain values, one of its plain objects, and those of all that lies deeper."""
    if depth == DEEPEST:
        return []
    plain = {name: value for name, value in details.items() if _is_plain(value)}
    objects = {name: value for name, value in details.items() if isinstance(value, dict)}
    alike = {name: value for name, value in objects.items() if value and all(map(_is_plain, value.values()))}
    tables = _table(title, [{"name": name, "value": _cell(name, value)} for name, value in plain.items()])
    tables += _table(title, [{"name": name, **value} for name, value in alike.items()])
    for name, value in details.items():
        inner = f"{title}, {name}" if title else name
        if name in objects and name not in alike:
            tables += find_tables(value, inner, depth + 1)
        elif isinstance(value, list):
            tables += _lists(inner, [entry for entry in value if isinstance(entry, dict)], depth + 1)
    return tables


def _lists(title: str, entries: Sequence[Mapping[str, Any]], depth: int) -> list[Table]:
    """The table of some objects, and one of all entries of each list in them, which begin with the object's name."""
    if depth == DEEPEST:
        return []
    tables = _table(title, entries)
    for field in dict.fromkeys(name for entry in entries for name, value in entry.items() if isinstance(value, list)):
        within = [
            {"name": entry.get("name", ""), **one}
            for entry in entries
            for one in (entry.get(field) if isinstance(entry.get(field), list) else ())  # type: ignore[union-attr]
            if isinstance(one, dict)
        ]
        tables += _lists(f"{title}, {field}", within, depth + 1)
    return tables


def _table(title: str, entries: Sequence[Mapping[str, Any]]) -> list[Table]:
    """None of no entries."""
    rows = [{name: value for name, value in entry.items() if _is_plain(value)} for entry in entries[:MOST_ROWS]]
    columns = list(dict.fromkeys(name for row in rows for name in row))[:MOST_COLUMNS]
    if not columns:
        return []
    return [Table(title, columns, [[_cell(name, row.get(name)) for name in columns] for row in rows])]


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _cell(name: str, value: Any) -> str:
    known = number(value)
    if known is None:
        return "" if value is None else str(value)
    return numbers.size(known) if name.endswith("Bytes") else f"{known:.6g}"
