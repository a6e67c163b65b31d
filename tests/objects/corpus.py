"""The corpus of right and wrong objects, for validation here and for a real API server."""

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from trainwright.api.loading import read_manifests

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class WrongObject:
    """An object with one mistake or several.

    Attributes:
        case: what is wrong, as a sentence.
        body: the object.
        says: the path of each mistake, and words that validation must say there.
        server_says: words of the API server's refusal; None where it can't see the mistake.
    """

    case: str
    body: dict[str, Any]
    says: dict[str, tuple[str, ...]]
    server_says: tuple[str, ...] | None


@cache
def right_objects() -> dict[str, dict[str, Any]]:
    """The objects that nothing is wrong with, by the names of their files."""
    return {path.stem: next(read_manifests(path)) for path in sorted((_FOLDER / "right").glob("*.yaml"))}


@cache
def wrong_objects() -> tuple[WrongObject, ...]:
    """The objects of wrong.yaml, made from right/chain.yaml."""
    return tuple(map(_wrong_object, yaml.safe_load((_FOLDER / "wrong.yaml").read_text())))


def _wrong_object(entry: dict[str, Any]) -> WrongObject:
    body = copy.deepcopy(right_objects()["chain"])
    for path, value in entry.get("set", {}).items():
        parent, last = _parent(body, path)
        parent[last] = value
    for path in entry.get("remove", ()):
        parent, last = _parent(body, path)
        del parent[last]
    says = {path: _words(said) for path, said in entry["says"].items()}
    server: tuple[str, ...] | None = _words(entry["server"])
    if entry["server"] == "same":
        server = tuple(word for words in says.values() for word in words)
    elif entry["server"] == "accepts":
        server = None
    return WrongObject(entry["case"], body, says, server)


def _words(said: str | list[str]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def _parent(body: Any, path: str) -> tuple[Any, str | int]:
    """What holds the value at a dotted path, and its key there; objects on the way are made."""
    *before, last = (int(part) if part.isdigit() else part for part in path.split("."))
    for part in before:
        body = body[part] if isinstance(part, int) else body.setdefault(part, {})
    return body, last
