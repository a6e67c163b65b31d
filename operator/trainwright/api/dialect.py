"""YAML as kubectl reads it: what has a JSON form and nothing else, every key once."""

import math
import re
from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """Differs from PyYAML's where that gives kubectl's users another value: `1e-3`, `2.0`, `22:30`, dates, equal keys.

    Every error it raises is a `yaml.YAMLError`.
    """


_NUMBERS = {
    "int": r"^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$",
    "float": r"^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$",
}
_TAG = "tag:yaml.org,2002:"

Loader.yaml_constructors = {
    _TAG + name: yaml.SafeLoader.yaml_constructors[_TAG + name] for name in ("null", "bool", "int", "str", "seq")
} | {None: yaml.SafeLoader.yaml_constructors[None]}
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern in _NUMBERS.items():
    Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list("-+.0123456789"))


def _float(loader: Loader, node: yaml.ScalarNode) -> float | int:
    """A whole number becomes an integer, as it does on its way through kubectl's JSON."""
    value = loader.construct_yaml_float(node)
    if not math.isfinite(value):
        raise _error(node, f"{node.value} has no form in JSON")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _mapping(loader: Loader, node: yaml.Node) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise _error(node, "expected a mapping")
    names: set[str] = set()
    for key, _ in node.value:
        if key.tag == _TAG + "merge":
            continue
        if not isinstance(key, yaml.ScalarNode):
            raise _error(key, "a key must be a string")
        name = loader.construct_object(key)
        if not isinstance(name, str):
            raise _error(key, f"the key {key.value} is no string: put it in quotes")
        if name in names:
            raise _error(key, f"the key {name} stands twice")
        names.add(name)
    loader.flatten_mapping(node)
    return {loader.construct_object(key): loader.construct_object(value, deep=True) for key, value in node.value}


def _error(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)


Loader.add_constructor(_TAG + "float", _float)
Loader.add_constructor(_TAG + "map", _mapping)
