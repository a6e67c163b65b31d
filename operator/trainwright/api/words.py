"""What a field takes, in words, and what a misspelt word may have meant."""

import difflib
from collections.abc import Iterable, Iterator

from trainwright.api.base import PATTERNS
from trainwright.api.schema import Schema

_ARTICLES = {"integer": "an integer", "number": "a number", "string": "a string", "boolean": "true or false"}


def describe(schema: Schema) -> str:
    """What a field takes, such as `an integer of at least 1 and at most 1000`."""
    if "x-kubernetes-int-or-string" in schema:
        return str(schema["example"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}" if len(schema["enum"]) > 1 else str(schema["enum"][0])
    kind = schema.get("type", "a value")
    if kind == "array":
        return f"a list{_bounds(schema, 'minItems', 'maxItems', ' items')}"
    if kind == "object":
        return f"an object with {', '.join(schema['properties'])}" if "properties" in schema else "an object"
    if schema.get("format") == "date-time":
        return "a time such as 2026-01-31T12:00:00Z"
    words = _ARTICLES.get(kind, str(kind))
    if "example" in schema:
        words += f" such as {schema['example']}"
    words += _bounds(schema, "minimum", "maximum") + _bounds(schema, "minLength", "maxLength", " characters")
    return f"{words}: {PATTERNS[schema['pattern']]}" if "pattern" in schema else words


def _bounds(schema: Schema, low: str, high: str, unit: str = "") -> str:
    least, most = schema.get(low), schema.get(high)
    above = "more than" if schema.get("exclusiveMinimum") else "at least"
    below = "less than" if schema.get("exclusiveMaximum") else "at most"
    parts = [f"{word} {_number(bound)}" for word, bound in ((above, least), (below, most)) if bound is not None]
    return f" of {' and '.join(parts)}{unit}" if parts else ""


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def near_word(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` when one of the known words is close to it, whatever their case."""
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:100].lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean {lowered[close[0]]}?" if close else ""


def near_field(name: str, parent: Schema, whole: Schema) -> str:
    """What an unknown field of `parent` may have meant: one like it, or the same one elsewhere in the object."""
    fields = parent.get("properties", {})
    if near := near_word(name, fields):
        return near
    if elsewhere := [*_places(name, whole)]:
        return f"; it is a field of {' and '.join(elsewhere[:2])}"
    return f"; known here: {', '.join(fields)}"


def _places(name: str, schema: Schema, path: str = "") -> Iterator[str]:
    """Where in the spec an object has a field of that name."""
    for field, below in schema.get("properties", {}).items():
        inside = f"{path}.{field}".removeprefix(".")
        if "items" in below:
            inside, below = f"{inside}[]", below["items"]
        if inside != "status":
            if name in below.get("properties", {}):
                yield inside
            yield from _places(name, below, inside)
