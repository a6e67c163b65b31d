"""What is said to the user: a field in words, a near word, a value, a path."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.api.base import PATTERNS
from trainwright.api.crd import object_schema
from trainwright.api.problems import InvalidJobError, Problem, format_path, show
from trainwright.api.words import describe, near_field, near_word

PATTERN, PATTERN_WORDS = next(iter(PATTERNS.items()))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer"}, "an integer"),
        ({"type": "integer", "minimum": 1}, "an integer of at least 1"),
        ({"type": "number", "maximum": 0.5, "exclusiveMaximum": True}, "a number of less than 0.5"),
        (
            {"type": "number", "minimum": 0.0, "exclusiveMinimum": True, "maximum": 1e6},
            "a number of more than 0 and at most 1e+06",
        ),
        ({"type": "boolean"}, "true or false"),
        ({"type": "string", "minLength": 1, "maxLength": 9}, "a string of at least 1 and at most 9 characters"),
        (
            {"type": "string", "pattern": PATTERN, "example": "1Gi", "maxLength": 9},
            f"a string such as 1Gi of at most 9 characters: {PATTERN_WORDS}",
        ),
        ({"type": "string", "format": "date-time"}, "a time such as 2026-01-31T12:00:00Z"),
        ({"type": "string", "enum": ["a", "b"]}, "one of a, b"),
        ({"type": "string", "enum": ["a"]}, "a"),
        ({"type": "array", "minItems": 1}, "a list of at least 1 items"),
        ({"type": "object"}, "an object"),
        ({"type": "object", "properties": {"a": {}, "b": {}}}, "an object with a, b"),
        ({"x-kubernetes-int-or-string": True, "example": "auto, or a number"}, "auto, or a number"),
        ({}, "a value"),
    ],
)
def test_a_field_is_told_in_words(schema: dict[str, Any], words: str) -> None:
    assert describe(schema) == words


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("epoch", "; did you mean epochs?"),
        ("BATCHSIZE", "; did you mean batchSize?"),
        ("batch_size", "; did you mean batchSize?"),
        ("zzz", ""),
        ("", ""),
        ("e" * 10_000, ""),
    ],
)
def test_a_near_word_is_named(word: str, hint: str) -> None:
    assert near_word(word, ["epochs", "batchSize"]) == hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("replica", "; did you mean replicas?"),
        ("claimName", "; it is a field of spec.storage"),
        ("epochs", "; it is a field of spec.steps[].train and spec.steps[].distill.train"),
        ("phase", "; known here: replicas, processesPerWorker, minReplicas, maxReplicas, template"),
    ],
)
def test_an_unknown_field_is_named_where_it_belongs(name: str, hint: str) -> None:
    schema = object_schema()
    assert near_field(name, schema["properties"]["spec"]["properties"]["workers"], schema) == hint


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("spec", "steps", 0, "name"), "spec.steps[0].name"),
        (("spec", "my field"), 'spec["my field"]'),
        (("spec", "a.b", "c-d_e"), 'spec["a.b"].c-d_e'),
        (("spec", "\x1b[0m"), 'spec["\\u001b[0m"]'),
        (("spec", ""), 'spec[""]'),
        ((), ""),
    ],
)
def test_a_path_is_written_with_dots(location: tuple[str | int, ...], path: str) -> None:
    assert format_path(location) == path


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Größe 🙂", '"Größe 🙂"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\x9b31m", '"\\u009b31m"'),
        ("\u202eevil", '"\\u202eevil"'),
        ("\ud800", '"\\ud800"'),
        ([1, None, True, {"a": 0.5}], '[1, null, true, {"a": 0.5}]'),
        (float("nan"), "NaN"),
        (object, "\"<class 'object'>\""),
        ("x" * 200, '"' + "x" * 76 + "..."),
    ],
)
def test_a_value_is_shown_in_a_line_that_no_terminal_obeys(value: Any, text: str) -> None:
    assert show(value) == text


@given(st.text())
def test_whatever_is_shown_is_printable_and_short(text: str) -> None:
    assert show(text).isprintable()
    assert len(show(text)) <= 80


def test_problems_are_told_a_line_each() -> None:
    error = InvalidJobError([Problem("spec.seed", "is wrong"), Problem("", "is no object")])
    assert str(error) == "spec.seed: is wrong\nis no object"
