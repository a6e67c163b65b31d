"""The structural schema says what the models say, in the API server's dialect."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from tests.objects.corpus import right_objects
from trainwright.api.base import PATTERNS, JsonObject, Model, Rule
from trainwright.api.crd import custom_resource_definition, object_schema
from trainwright.api.job import TrainingJob
from trainwright.api.schema import spec_schema, structural_schema, with_defaults, without_nulls


class Leaf(Model):
    """A leaf."""

    word: str = Field(pattern="^a$", max_length=3)
    """A word."""


class Tree(Model):
    """A tree."""

    share: float = Field(default=0.5, gt=0, lt=1)
    """A share."""

    number: int | None = Field(default=None, ge=1, le=9)
    """A number."""

    only: Literal["this"] = "this"
    """One word."""

    first: Leaf
    """The first leaf."""

    second: Leaf | None = None
    """The second leaf."""

    branch: "Branch" = Field(default_factory=lambda: Branch())
    """A branch."""

    leaves: list[Leaf] = Field(default=[], max_length=4)
    """More leaves."""

    anything: JsonObject = Field(default={})
    """Anything."""

    rules: ClassVar = (
        Rule("has(self.first)", "no leaf", ".first"),
        Rule("self.share > 0.0", "%s", "", ("self.share",)),
    )


class Branch(Model):
    """A branch."""

    long: bool = False
    """Whether it is long."""


def test_every_kind_of_field_is_converted() -> None:
    leaf = {
        "type": "object",
        "properties": {"word": {"type": "string", "description": "A word.", "pattern": "^a$", "maxLength": 3}},
        "required": ["word"],
    }
    assert structural_schema(Tree) == {
        "type": "object",
        "description": "A tree.",
        "required": ["first"],
        "properties": {
            "share": {
                "type": "number",
                "description": "A share.",
                "default": 0.5,
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 1,
                "exclusiveMaximum": True,
            },
            "number": {"type": "integer", "description": "A number.", "minimum": 1, "maximum": 9},
            "only": {"type": "string", "description": "One word.", "default": "this", "enum": ["this"]},
            "first": {**leaf, "description": "The first leaf."},
            "second": {**leaf, "description": "The second leaf."},
            "branch": {
                "type": "object",
                "description": "A branch.",
                "properties": {"long": {"type": "boolean", "description": "Whether it is long.", "default": False}},
            },
            "leaves": {
                "type": "array",
                "description": "More leaves.",
                "default": [],
                "maxItems": 4,
                "items": {**leaf, "description": "A leaf."},
            },
            "anything": {
                "type": "object",
                "description": "Anything.",
                "default": {},
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
        "x-kubernetes-validations": [
            {"rule": "has(self.first)", "message": "no leaf", "fieldPath": ".first"},
            {"rule": "self.share > 0.0", "messageExpression": "'%s'.format([self.share])"},
        ],
    }


@pytest.mark.parametrize("name", right_objects())
def test_the_schema_fills_in_the_defaults_that_the_models_have(name: str) -> None:
    schema = object_schema()
    body = without_nulls(right_objects()[name], schema)
    typed = TrainingJob.model_validate(body).to_dict()["spec"]
    assert with_defaults(body, schema)["spec"] == typed


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from nodes(item)


def test_nothing_in_the_schema_is_foreign_to_a_structural_schema() -> None:
    """https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/"""
    foreign = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "const", "title", "additionalProperties", "discriminator"}
    schema = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for node in nodes(schema):
        assert not foreign & node.keys()
        assert node.get("default", 0) is not None
        assert node.get("type") != "null"


def test_what_rules_read_is_bounded_so_that_their_cost_is() -> None:
    for node in nodes(spec_schema()):
        if node.get("type") == "array":
            assert "maxItems" in node, node
        if "pattern" in node:
            assert "maxLength" in node, node
            assert node["pattern"] in PATTERNS


def test_the_status_has_no_defaults_so_that_the_api_server_adds_nothing_to_it() -> None:
    assert not [node for node in nodes(object_schema()["properties"]["status"]) if "default" in node]


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"spec": None}, {}),
        ({"spec": {"workers": None, "seed": 1}}, {"spec": {"seed": 1}}),
        ({"spec": {"model": {"args": {"a": None}}}}, {"spec": {"model": {"args": {"a": None}}}}),
        ({"spec": {"steps": [None, {"name": None}]}}, {"spec": {"steps": [None, {}]}}),
        ({"spec": {"unknown": None}}, {"spec": {"unknown": None}}),
        ({"spec": {"steps": "x", "workers": [None]}}, {"spec": {"steps": "x", "workers": [None]}}),
        ([None], [None]),
    ],
)
def test_nulls_of_known_fields_are_dropped(value: Any, left: Any) -> None:
    assert without_nulls(value, object_schema()) == left


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_defaults_are_filled_into_any_value_once(value: Any) -> None:
    once = with_defaults(value, spec_schema())
    assert with_defaults(once, spec_schema()) == once
