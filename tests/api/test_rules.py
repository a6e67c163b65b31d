"""The CEL rules: each is well-formed, can be broken, and is evaluated as the API server would."""

from collections.abc import Iterator
from typing import Any

import cel
import pytest

from tests.objects.corpus import right_objects, wrong_objects
from trainwright.api.crd import object_schema
from trainwright.api.problems import Problem
from trainwright.api.rules import broken_rules, evaluation_context, is_transition
from trainwright.api.schema import with_defaults, without_nulls

SCHEMA = object_schema()


def rules_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Every rule of a schema, with the path of what it binds."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule
    for name, field in schema.get("properties", {}).items():
        yield from rules_of(field, f"{path}.{name}")
    if "items" in schema:
        yield from rules_of(schema["items"], f"{path}[]")


def values_at(value: Any, path: str) -> Iterator[Any]:
    """The values at a path such as `.spec.steps[].gate`, with the defaults filled in."""
    head, _, rest = path.removeprefix(".").partition(".")
    if not head:
        yield value
        return
    found = value.get(head.removesuffix("[]")) if isinstance(value, dict) else None
    for item in found if head.endswith("[]") and isinstance(found, list) else [found]:
        if item is not None:
            yield from values_at(item, f".{rest}" if rest else "")


def filled(body: dict[str, Any]) -> dict[str, Any]:
    body = without_nulls(body, SCHEMA)
    assert isinstance(body, dict)
    return with_defaults(body, SCHEMA)


@pytest.mark.parametrize(
    ("path", "rule"), list(rules_of(SCHEMA)), ids=lambda part: part if isinstance(part, str) else "rule"
)
def test_every_rule_holds_for_right_objects_without_an_error(path: str, rule: dict[str, str]) -> None:
    """An error in a rule would pass it over in silence."""
    values = [value for body in right_objects().values() for value in values_at(filled(body), path)]
    assert values
    for value in values:
        old = value if is_transition(rule) else None
        assert cel.compile(rule["rule"]).execute(evaluation_context(value, old)) is True


@pytest.mark.parametrize(
    ("path", "rule"),
    [(path, rule) for path, rule in rules_of(SCHEMA) if not is_transition(rule)],
    ids=lambda part: part if isinstance(part, str) else "rule",
)
def test_every_rule_is_broken_by_a_wrong_object(path: str, rule: dict[str, str]) -> None:
    lone = {"x-kubernetes-validations": [rule]}
    broken = [
        problem
        for wrong in wrong_objects()
        for value in values_at(filled(wrong.body), path)
        for problem in broken_rules(value, lone)
    ]
    assert broken
    assert all(problem.message and "%s" not in problem.message for problem in broken)


def test_a_rule_tells_its_field_and_its_message() -> None:
    rule = {"rule": "self.a < self.b", "messageExpression": "'%s is not less than %s'.format([self.a, self.b])"}
    schema = {"x-kubernetes-validations": [rule | {"fieldPath": ".a"}]}
    assert [*broken_rules({"a": 3, "b": 2.5}, schema, ("spec", "goals", 1))] == [
        Problem("spec.goals[1].a", "3 is not less than 2.5")
    ]
    assert [*broken_rules({"a": 2, "b": 2.5}, schema)] == []


def test_a_rule_passes_over_parts_of_a_wrong_type() -> None:
    for expression in ("self.a < 3", "self.a.b", "self[0] > 1", "self.a.lowerAscii() == 'x'", "self.a * self.a > 3"):
        schema = {"x-kubernetes-validations": [{"rule": expression, "message": "broken"}]}
        for value in ({"a": "x"}, {"b": 1}, {"a": None}, [], {"a": 2**62}, 5, {"a": {1, 2}}, {"a": "\ud800"}):
            for problem in broken_rules(value, schema):
                assert problem.message == "broken"


def test_a_rule_on_a_change_needs_an_old_value() -> None:
    schema = {"properties": {"a": {"x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "changed"}]}}}
    assert [*broken_rules({"a": 1}, schema)] == []
    assert [*broken_rules({"a": 1}, schema, old={})] == []
    assert [*broken_rules({"a": 1}, schema, old={"a": 1})] == []
    assert [*broken_rules({"a": 1}, schema, old={"a": 2})] == [Problem("a", "changed")]


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (3, "3"), (True, "true"), (0.5, "0.5"), (95.0, "95"), (["a", "b"], '["a", "b"]'), ([], "[]")],
)
def test_values_are_formatted_as_the_api_server_does(value: Any, text: str) -> None:
    assert cel.compile("'%s'.format([self])").execute(evaluation_context(value)) == text
