"""Which Python runs a framework's trainer, and what is said when there is none."""

import sys
from pathlib import Path

import pytest

from trainwright.local import interpreters
from trainwright.local.interpreters import MissingInterpreterError, interpreter_of


def test_most_frameworks_live_in_this_installation() -> None:
    assert interpreter_of("pytorch") == Path(sys.executable)


def test_mxnet_lives_in_an_environment_of_its_own() -> None:
    python = interpreter_of("mxnet")
    assert python.parent.parent.name == ".venv-mxnet"
    assert python.exists()


def test_a_variable_names_the_interpreter_of_a_framework(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setenv("TRAINWRIGHT_PYTHON_JAX", str(python))
    assert interpreter_of("jax") == python
    monkeypatch.setenv("TRAINWRIGHT_PYTHON_JAX", "no-such-python")
    with pytest.raises(MissingInterpreterError, match="TRAINWRIGHT_PYTHON_JAX: there is no program 'no-such-python'"):
        interpreter_of("jax")


def test_without_its_environment_it_is_said_how_to_make_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(interpreters.sys, "prefix", str(tmp_path / "elsewhere" / ".venv"))
    with pytest.raises(MissingInterpreterError, match=r"make install.*trainwright\[mxnet\].*TRAINWRIGHT_PYTHON_MXNET"):
        interpreter_of("mxnet")
