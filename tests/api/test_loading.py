"""Manifests are read as kubectl reads them, and whatever stands in a file, the only error is a ManifestError."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainwright.api.loading import ManifestError, parse_value, read_manifests


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000),
        (".5", 0.5),
        ("-1.5e10", -15_000_000_000),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b11", 3),
        ("010", 8),
        ("22:30", "22:30"),
        ("2026-01-31", "2026-01-31"),
        ("0o17", "0o17"),
        ("1.2.3", "1.2.3"),
        ("yes", True),
        ("~", None),
        ("", None),
        ('"1e-3"', "1e-3"),
        ("a: {b: [1, two]}", {"a": {"b": [1, "two"]}}),
        ('{"json": [1.5, null, "\\u00fc"]}', {"json": [1.5, None, "ü"]}),
        ("{a: &x {b: 1}, c: *x}", {"a": {"b": 1}, "c": {"b": 1}}),
        ("{a: &x {b: 1, c: 2}, d: {<<: *x, c: 3}}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("!!str 5", "5"),
    ],
)
def test_values_are_those_that_kubectl_reads(text: str, value: Any) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_a_whole_number_with_a_point_is_an_integer() -> None:
    """A model's factory gets the same here as on a cluster, where the file has gone through JSON."""
    assert repr(parse_value("[2.0, 1e2, 2.5]")) == "[2, 100, 2.5]"


LAUGHS = "\n".join(
    ["a0: &a0 [ha, ha, ha, ha]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 20))]
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key a stands twice"),
        ("a:\n  b: {c: 1, c: 2}", "line 2, column 13: the key c stands twice"),
        ("a: {1: x}", "line 1, column 5: the key 1 is no string: put it in quotes"),
        ("on: push", "line 1, column 1: the key on is no string: put it in quotes"),
        ("{[a]: 1}", "line 1, column 2: a key must be a string"),
        ("? {a: 1}\n: 2", "line 1, column 3: a key must be a string"),
        ("~: 1", "the key ~ is no string: put it in quotes"),
        ("rate: .inf", "line 1, column 7: .inf has no form in JSON"),
        ("rate: .NaN", "line 1, column 7: .NaN has no form in JSON"),
        ("rate: 1e999", "line 1, column 7: 1e999 has no form in JSON"),
        ("a: [1, 2", "line 1, column 9: "),
        ("a:\n\t- b", "line 2, column 1: found character '\\t'"),
        ("a: *b", "line 1, column 4: found undefined alias 'b'"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("{<<: 1}", "expected a mapping or list of mappings for merging"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
        ("!!binary aGk=", "could not determine a constructor for the tag"),
        ("!!set {a, b}", "could not determine a constructor for the tag"),
        ("!!map [1]", "expected a mapping"),
        ("!!int abc", "a value that does not fit its tag"),
        ("!!bool maybe", "a value that does not fit its tag"),
        ("9" * 5000, "a value that does not fit its tag"),
        ('"\\U00110000"', "a value that does not fit its tag"),
        ("a\x00b", "unacceptable character"),
        ("[" * 5000, "nested too deeply"),
        ("&a [*a]", "nested too deeply"),
        ("&a {b: *a}", "found unconstructable recursive node"),
        (LAUGHS, "more than 1000000 values"),
        ("1\n---\n2", "expected one value"),
    ],
    ids=lambda text: repr(text)[:40],
)
def test_what_is_no_value_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as refusal:
        parse_value(text)
    assert words in str(refusal.value)


@given(st.text(alphabet=st.sampled_from("abé1.0e-+:{}[],&*!|>?'\"#%@~<=\n\t \\x\x00"), max_size=60))
@example("!!float x")
@example("? ")
@example("{? : }")
@example("!!seq\n- <<: [1]")
def test_no_text_raises_another_error(text: str) -> None:
    try:
        parse_value(text)
    except ManifestError as error:
        assert "\n" not in str(error)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "job.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_every_document_of_a_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "---\nkind: A\n---\n# nothing\n---\nkind: B\n...\n")
    assert list(read_manifests(path)) == [{"kind": "A"}, {"kind": "B"}]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert list(read_manifests(written(tmp_path, "\ufeffkind: A"))) == [{"kind": "A"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty; expected an object with apiVersion, kind, metadata and spec"),
        ("# nothing\n---\n---\n", "is empty; expected an object"),
        ("- kind: A\n- kind: B\n", 'got [{"kind": "A"}, {"kind": "B"}]; expected an object'),
        ("kind", 'got "kind"; expected an object'),
        ("kind: A\n---\n5", "got 5; expected an object"),
        ("a: 1\na: 2", "line 2, column 1: the key a stands twice"),
        (b"kind: \xff\xfe", "not a text file in UTF-8"),
        (b"\x89PNG\r\n", "not a text file in UTF-8"),
    ],
)
def test_what_is_no_object_is_refused_with_the_file(tmp_path: Path, content: str | bytes, words: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ManifestError) as refusal:
        list(read_manifests(path))
    assert str(refusal.value).startswith(f"{path}: ")
    assert words in str(refusal.value)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.yaml: No such file or directory"):
        list(read_manifests(tmp_path / "nowhere.yaml"))
    with pytest.raises(ManifestError, match="Is a directory"):
        list(read_manifests(tmp_path))
