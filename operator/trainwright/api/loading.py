"""Reads manifests: one file, several documents, each an object."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from trainwright.api.dialect import Loader
from trainwright.api.problems import show

_MOST_VALUES = 1_000_000
"""In one file, with its aliases written out; far more than the API server takes, and read in a second."""


class ManifestError(ValueError):
    """A file that is no YAML, or no object."""


def read_manifests(path: Path) -> Iterator[dict[str, Any]]:
    """Every object of a YAML or JSON file.

    Raises:
        ManifestError: the file can't be read, is no YAML, or holds something that is not an object, or nothing.
    """
    try:
        documents = [document for document in _parse(path.read_text(encoding="utf-8")) if document is not None]
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not a text file in UTF-8") from error
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    expected = "expected an object with apiVersion, kind, metadata and spec"
    if not documents:
        raise ManifestError(f"{path}: is empty; {expected}")
    for document in documents:
        if not isinstance(document, dict):
            raise ManifestError(f"{path}: got {show(document)}; {expected}")
        yield document


def parse_value(text: str) -> Any:
    """One YAML value, with the same rules as in a file; nothing is null.

    Raises:
        ManifestError: the text is no YAML, or more than one value.
    """
    documents = _parse(text) or [None]
    if len(documents) > 1:
        raise ManifestError(f"expected one value; got {show(text)}")
    return documents[0]


def _parse(text: str) -> list[Any]:
    try:
        documents = list(yaml.load_all(text, Loader=Loader))
        count = sum(1 for _ in islice(_values(documents), _MOST_VALUES + 1))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ManifestError(f"{where}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ManifestError(" ".join(str(error).split())) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"a value that does not fit its tag: {error}") from error
    except RecursionError as error:
        raise ManifestError("nested too deeply") from error
    if count > _MOST_VALUES:
        raise ManifestError(f"more than {_MOST_VALUES} values, with its aliases written out")
    return documents


def _values(value: Any) -> Iterator[Any]:
    """The value and every value in it."""
    yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _values(item)
