"""Evaluates the schema's CEL rules, as the API server does, and says which are broken."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import cel

from trainwright.api.problems import Location, Problem, format_path
from trainwright.api.schema import Schema

_program = cache(cel.compile)


def broken_rules(value: Any, schema: Schema, location: Location = (), old: Any = None) -> Iterator[Problem]:
    """The rules that a value with its defaults filled in breaks; parts of it that are of a wrong type are passed over.

    Args:
        value: the value at `location`.
        schema: its structural schema, with `x-kubernetes-validations`.
        location: where the value stands in the object.
        old: the value before a change; rules on the change are evaluated only when there is one.
    """
    yield from _broken_here(value, schema, location, old)
    if isinstance(value, dict):
        for name, field_schema in schema.get("properties", {}).items():
            if name in value:
                before = old.get(name) if isinstance(old, dict) else None
                yield from broken_rules(value[name], field_schema, (*location, name), before)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from broken_rules(item, schema["items"], (*location, index))


def _broken_here(value: Any, schema: Schema, location: Location, old: Any) -> Iterator[Problem]:
    rules = schema.get("x-kubernetes-validations", ())
    if old is None:
        rules = [rule for rule in rules if not is_transition(rule)]
    if not rules:
        return
    try:
        context = evaluation_context(value, old)
    except ValueError:
        return  # it holds what is no JSON
    for rule in rules:
        try:
            if not _program(rule["rule"]).execute(context):
                path = format_path(location) + rule.get("fieldPath", "")
                yield Problem(path.removeprefix("."), _message(rule, context))
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
            continue  # a part that the rule reads has a wrong type or is missing, and is reported as such


def _message(rule: dict[str, str], context: cel.Context) -> str:
    message = rule.get("message") or _program(rule["messageExpression"]).execute(context)
    assert isinstance(message, str)
    return message


def is_transition(rule: dict[str, str]) -> bool:
    """Whether the rule binds the change of a value, not the value."""
    return "oldSelf" in rule["rule"]


def evaluation_context(value: Any, old: Any = None) -> cel.Context:
    """What a rule's expressions can name: `self`, `oldSelf`, and the ones of Kubernetes' functions that rules use."""
    context = cel.Context({"self": value, "oldSelf": old})
    context.add_function("lowerAscii", str.lower)
    context.add_function("format", lambda template, values: template % tuple(map(_as_text, values)))
    return context


def _as_text(value: Any) -> str:
    """The value as `%s` shows it; what a terminal would take as a command is escaped."""
    if isinstance(value, str):
        return value if value.isprintable() else json.dumps(value)[1:-1]
    return f"{value:.15g}" if isinstance(value, float) else json.dumps(value)
