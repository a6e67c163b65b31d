"""Says all that is wrong with a TrainingJob at once: each mistake with its path, its value and what would be right."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainwright.api import API_VERSION, KIND
from trainwright.api.crd import object_schema
from trainwright.api.job import TrainingJob
from trainwright.api.pod_template import template_problems
from trainwright.api.problems import InvalidJobError, Location, Problem, format_path, show
from trainwright.api.rules import broken_rules
from trainwright.api.schema import Schema, with_defaults, without_nulls
from trainwright.api.words import describe, near_field, near_word


def load_job(body: dict[str, Any]) -> TrainingJob:
    """The typed object.

    Raises:
        InvalidJobError: it can not run; the error holds every mistake.
    """
    problems = find_problems(body)
    if problems:
        raise InvalidJobError(problems)
    return _typed(without_nulls(body, object_schema()))


def find_problems(body: dict[str, Any]) -> list[Problem]:
    """Everything that is wrong with an object that should be a TrainingJob; empty when it can run."""
    if (body.get("apiVersion"), body.get("kind")) != (API_VERSION, KIND):
        return [_wrong_kind(body)]
    schema = object_schema()
    body = without_nulls(body, schema)
    problems = [*_structural_problems(body, schema)]
    told = {problem.path for problem in problems}
    problems += (rule for rule in broken_rules(with_defaults(body, schema), schema) if rule.path not in told)
    problems += template_problems(body)
    return list(dict.fromkeys(problems))


def find_change_problems(old: dict[str, Any], new: dict[str, Any]) -> list[Problem]:
    """What may not be changed from one valid object to the next."""
    schema = object_schema()
    old, new = (with_defaults(without_nulls(body, schema), schema)["spec"] for body in (old, new))
    return [*broken_rules(new, schema["properties"]["spec"], ("spec",), old)]


def _typed(body: dict[str, Any]) -> TrainingJob:
    return TrainingJob.model_validate(body, by_alias=True, by_name=False)


def _wrong_kind(body: dict[str, Any]) -> Problem:
    field, right = ("kind", KIND) if body.get("kind") != KIND else ("apiVersion", API_VERSION)
    got = f"got {show(body[field])}" if body.get(field) else "is missing"
    return Problem(field, f"{got}; expected {right}")


def _structural_problems(body: dict[str, Any], schema: Schema) -> Iterator[Problem]:
    try:
        _typed(body)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield _explain(details, schema)


def _explain(details: ErrorDetails, schema: Schema) -> Problem:
    location, field = _follow(schema, details["loc"])
    path = format_path(location)
    match details["type"]:
        case "missing":
            return Problem(path, f"is missing; expected {describe(field)}")
        case "extra_forbidden":
            parent = _follow(schema, location[:-1])[1]
            return Problem(path, f"there is no such field{near_field(str(location[-1]), parent, schema)}")
        case _:
            got = details["input"]
            hint = near_word(got, field.get("enum", ())) if isinstance(got, str) else ""
            return Problem(path, f"got {show(got)}; expected {describe(field)}{hint}")


def _follow(schema: Schema, location: Location) -> tuple[Location, Schema]:
    """The schema at a location, and the location without what pydantic adds to it for alternatives of a union."""
    for depth, part in enumerate(location):
        if isinstance(part, int):
            schema = schema.get("items", {})
        elif part in schema.get("properties", {}):
            schema = schema["properties"][part]
        elif "x-kubernetes-int-or-string" in schema:
            return location[:depth], schema
        else:
            return location, {}
    return location, schema
