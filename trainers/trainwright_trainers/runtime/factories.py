"""Callables that the user names as `package.module:callable`."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from trainwright.api.steps import Factory
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.suggestions import near_names


def load_callable(name: str, field: str) -> Callable[..., Any]:
    """What `package.module:callable` names.

    Args:
        name: the reference.
        field: where the user wrote it, such as `spec.model.factory`.

    Raises:
        ConfigurationError: the module or the attribute does not exist, or it can't be called.
    """
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"{field}: importing {module_name} needs the module {error.name!r}, which the trainer's image lacks"
            ) from error
        raise ConfigurationError(
            f"{field}: there is no module {error.name!r} in the trainer's image, wanted for {name!r}"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            hint = near_names(part, [known for known in dir(found) if not known.startswith("_")]) if path else ""
            raise ConfigurationError(f"{field}: {module_name} has no {path!r}; {hint}")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigurationError(f"{field}: {name} must be callable, it is a {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def find_loss(
    name: str, field: str, known: Mapping[str, Callable[..., Any]], source: tuple[str, str]
) -> Callable[..., Any]:
    """The loss of that name, in capitals or not, or what `package.module:callable` names.

    Args:
        name: what the user wrote.
        field: where, such as `spec.steps[train].train.loss`.
        known: the losses that have a name.
        source: the library that they are of, and what they are computed from, for people.

    Raises:
        ConfigurationError: there is no such loss.
    """
    if ":" in name:
        return load_callable(name, field)
    by_lower = {candidate.lower(): loss for candidate, loss in known.items()}
    if name.lower() not in by_lower:
        library, arguments = source
        raise ConfigurationError(
            f"{field}: {library} has no {name!r} of {arguments}; {near_names(name, known)}"
            " (your own is written as package.module:callable)"
        )
    return by_lower[name.lower()]


def make(factory: Factory, field: str) -> object:
    """What the factory returns for its arguments.

    Args:
        factory: the callable and its keyword arguments.
        field: where the user wrote it, such as `spec.model`.

    Raises:
        ConfigurationError: it can't be imported, or it doesn't take such arguments. Its own errors pass through.
    """
    function = load_callable(factory.factory, f"{field}.factory")
    try:
        inspect.signature(function).bind(**factory.args)
    except TypeError as error:
        raise ConfigurationError(
            f"{field}.args: {factory.factory} {error}; it takes {inspect.signature(function)}"
        ) from error
    except ValueError:
        pass  # a callable written in C has no signature to compare with
    try:
        return function(**factory.args)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{field}.args.{where}: {first['msg']}, got {first['input']!r}") from error
