"""Which Python runs a framework's trainer on this machine: this installation's, or one of an environment of its own."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from trainwright.api.job import Framework

VARIABLE = "TRAINWRIGHT_PYTHON_{}"
"""Names the interpreter of a framework, in capitals: a path, or a program on the PATH."""
APART: frozenset[Framework] = frozenset({"mxnet"})
"""Frameworks that need older packages than the others, and so an environment of their own."""


class MissingInterpreterError(RuntimeError):
    """There is no Python for the framework."""


def interpreter_of(framework: Framework) -> Path:
    """The Python that the variable names; else this one, or for a framework that lives apart the one in `.venv-NAME`.

    That folder is looked for beside this installation's environment and in the working directory.

    Raises:
        MissingInterpreterError: there is none.
    """
    variable = VARIABLE.format(framework.upper())
    if named := os.environ.get(variable):
        if found := shutil.which(named):
            return Path(found)
        raise MissingInterpreterError(f"{variable}: there is no program {named!r}")
    if framework not in APART or find_spec(framework) is not None:
        return Path(sys.executable)
    places = [folder / f".venv-{framework}" for folder in (Path(sys.prefix).parent, Path.cwd())]
    for place in places:
        if (python := place / "bin" / "python").exists():
            return python
    raise MissingInterpreterError(
        f"spec.framework: {framework} needs a Python environment of its own, and there is none in"
        f" {' or '.join(map(str, dict.fromkeys(places)))}. `make install` makes it in a clone; elsewhere, install"
        f" trainwright[{framework}] into an environment and name its Python in {variable}"
    )
