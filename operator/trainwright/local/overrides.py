"""Changes single fields of an object from the command line: `steps.train.train.epochs=3`."""

from typing import Any

from trainwright.api.loading import parse_value


class OverrideError(ValueError):
    """A change that does not fit the object."""


def override(body: dict[str, Any], assignment: str) -> None:
    """Sets one field of the spec in place.

    Args:
        body: the object.
        assignment: PATH=VALUE. The path begins below `spec`; an item of a list is named by its number or its name, so
            `steps.train.train.epochs=3` and `steps[0].train.epochs=3` are the same. The value is read as YAML.

    Raises:
        OverrideError: the assignment has no `=`, or the path leads through something that is not there.
    """
    path, equals, value = assignment.partition("=")
    if not equals:
        raise OverrideError(f"got {assignment!r}; expected PATH=VALUE, such as steps.train.train.epochs=3")
    parts = path.removeprefix("spec.").replace("[", ".").replace("]", "").split(".")
    target: Any = body.setdefault("spec", {})
    for part in parts[:-1]:
        target = _descend(target, part, path)
    last = parts[-1]
    if isinstance(target, list):
        target[_position(target, last, path)] = parse_value(value)
    elif isinstance(target, dict):
        target[last] = parse_value(value)
    else:
        raise OverrideError(f"{path}: there is no field {last} in {target!r}")


def _descend(target: Any, part: str, path: str) -> Any:
    if isinstance(target, list):
        return target[_position(target, part, path)]
    if isinstance(target, dict):
        return target.setdefault(part, {})
    raise OverrideError(f"{path}: there is no field {part} in {target!r}")


def _position(items: list[Any], part: str, path: str) -> int:
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if part in names:
        return names.index(part)
    if part.isdigit() and int(part) < len(items):
        return int(part)
    known = ", ".join(str(name) for name in names if name)
    raise OverrideError(f"{path}: there is no item {part}; there are {known or len(items)}")
