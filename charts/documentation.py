"""Writes the chart's values.yaml and the table in its README from values.schema.json, the one home of both.

python charts/documentation.py values.yaml | README.md
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "trainwright"
MARK = "<!-- What follows is generated from values.schema.json by `make generate`. -->\n"
COMMENT_WIDTH = 100


@dataclass(frozen=True)
class Value:
    """One entry of the schema: a section with further ones, or a value with its default."""

    path: tuple[str, ...]
    description: str
    section: bool
    default: Any


def values(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Value]:
    """Every entry below a schema, a section before what is in it. Raises KeyError where one says too little."""
    for name, entry in schema["properties"].items():
        section = "properties" in entry
        here = (*path, name)
        yield Value(here, entry["description"], section, None if section else entry["default"])
        if section:
            yield from values(entry, here)


def values_yaml(schema: dict[str, Any]) -> str:
    """The defaults, each with its description as a comment."""
    text = "# Generated from values.schema.json by `make generate`.\n"
    for value in values(schema):
        depth = len(value.path) - 1
        comment = textwrap.fill(value.description, COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ")
        line = f"{value.path[-1]}:" if value.section else _assignment(value)
        text += ("" if depth else "\n") + textwrap.indent(f"{comment}\n{line}\n", "  " * depth)
    return text


def readme(schema: dict[str, Any], before: str) -> str:
    """The page with its table made anew; what stands before the mark is kept."""
    kept, mark, _ = before.partition(MARK)
    assert mark, f"README.md has no line {MARK}"
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for value in values(schema):
        default = "" if value.section else f"`{json.dumps(value.default)}`"
        rows.append(f"| `{'.'.join(value.path)}` | {default} | {value.description.replace('|', chr(92) + '|')} |")
    return kept + MARK + "\n".join(rows) + "\n"


def _assignment(value: Value) -> str:
    if value.default and isinstance(value.default, dict | list):
        return yaml.safe_dump({value.path[-1]: value.default}, sort_keys=False).rstrip()
    return f"{value.path[-1]}: {json.dumps(value.default)}"


def main() -> None:
    """Prints one of the two files."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    match sys.argv[1:]:
        case ["values.yaml"]:
            sys.stdout.write(values_yaml(schema))
        case ["README.md"]:
            sys.stdout.write(readme(schema, (CHART / "README.md").read_text()))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
