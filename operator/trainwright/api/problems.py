"""One mistake in an object, and how it is told to the user."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Location = Sequence[str | int]


@dataclass(frozen=True)
class Problem:
    """A mistake, and what would be right.

    Attributes:
        path: where it is, such as `spec.steps[0].train.epochs`.
        message: what was found there and what would be right.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidJobError(ValueError):
    """An object that can not run.

    Attributes:
        problems: everything that is wrong with it.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


_PLAIN_NAME = re.compile(r"[A-Za-z_][-A-Za-z0-9_]{0,62}")


def format_path(location: Location) -> str:
    """`("spec", "steps", 0, "name")` as `spec.steps[0].name`; a name that is none of ours stands in quotes."""
    parts = (f".{part}" if _PLAIN_NAME.fullmatch(str(part)) else f"[{show(part)}]" for part in location)
    return "".join(parts).removeprefix(".")


def show(value: Any) -> str:
    """The value as JSON, cut to what a line can bear; what a terminal would take as a command is escaped."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if not text.isprintable():
        text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
