"""A yes in the table of capabilities without a test that ran it fails the whole suite, and nothing else does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises import words_of
from trainwright.api.steps import Step

REPOSITORY = Path(__file__).parents[1]

CONFTEST = """
import pytest
from tests.conftest import pytest_addoption
from tests.promises import Promises, ran
from trainwright.api.capabilities import Capabilities
from trainwright.api.steps import Step

def pytest_configure(config):
    jax = Capabilities(kinds=("train",), optimizers=WORDS)
    config.pluginmanager.register(Promises(config, {"jax": jax}))

@pytest.fixture
def train():
    return lambda name: ran("jax", Step.model_validate({"name": "a", "train": {"optimizer": {"name": name}}}))

@pytest.fixture(scope="session")
def trained():
    ran("jax", Step.model_validate({"name": "a", "train": {"optimizer": {"name": "SGD"}}}))
"""
ADAM = "def test_adam(train): train('adam')"
SGD = "def test_sgd(trained): pass"
TWO = ("Adam", "SGD")
UNTESTED = "jax, optimizers, SGD"


def run(folder: Path, words: tuple[str, ...], *arguments: str, **files: str) -> tuple[int, str]:
    """The exit code and the output of pytest on a suite of these files, where JAX has the optimizers `words`."""
    suite = folder / "suite"
    suite.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = suite\naddopts = --import-mode=importlib\n")
    for name, text in {"conftest": CONFTEST.replace("WORDS", repr(words)), **files}.items():
        (suite / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


NOT_PASSED = """
import pytest
def test_failed(train): train("sgd"); assert False
def test_skipped(train): train("lamb"); pytest.skip("not here")
@pytest.fixture
def broken(train): yield train("lion"); assert False
def test_failed_after_it(broken): pass
"""


def test_a_yes_that_no_passing_test_ran_fails_the_whole_suite_with_its_words(tmp_path: Path) -> None:
    words = ("Adam", "SGD", "Lamb", "Lion")
    code, said = run(tmp_path, words, test_one=ADAM, test_two="def test_nothing(): pass")
    assert code == 1, said
    for word in words[1:]:
        assert f"jax, optimizers, {word}" in said
    assert "jax, optimizers, Adam" not in said
    assert "jax, kinds, train" not in said


def test_a_test_that_did_not_pass_counts_for_nothing(tmp_path: Path) -> None:
    _, said = run(tmp_path, ("Adam", "SGD", "Lamb", "Lion"), test_one=ADAM, test_two=NOT_PASSED)
    for word in ("SGD", "Lamb", "Lion"):
        assert f"jax, optimizers, {word}" in said
    assert "jax, optimizers, Adam" not in said


def test_a_suite_that_ran_every_yes_passes(tmp_path: Path) -> None:
    code, said = run(tmp_path, TWO, "suite", test_one=ADAM, test_two=SGD)
    assert code == 0, said
    assert "capabilities" not in said


@pytest.mark.parametrize(
    "arguments",
    [["suite/test_one.py"], ["suite/test_one.py::test_adam", "suite/test_two.py"], ["-k", "adam"]],
    ids=["a file", "a test", "an expression"],
)
def test_a_part_of_the_suite_is_not_held_to_it(tmp_path: Path, arguments: list[str]) -> None:
    code, said = run(tmp_path, TWO, *arguments, test_one=ADAM, test_two="def test_nothing(): pass")
    assert code == 0, said
    assert UNTESTED not in said


def test_a_part_of_the_suite_tells_what_it_ran_when_asked_to(tmp_path: Path) -> None:
    code, said = run(tmp_path, TWO, "suite/test_two.py", "--capabilities", test_one=ADAM, test_two=SGD)
    assert code == 0, said
    ran, _, not_ran = said.partition("capabilities that no test ran")
    assert UNTESTED in ran
    assert "jax, optimizers, Adam" in not_ran


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"run": {"command": ["true"]}}, {("kinds", "run")}),
        (
            {"train": {"precision": "bf16", "schedule": {"name": "StepLR"}, "scaling": {"referenceProcesses": 2}}},
            {
                ("kinds", "train"),
                ("precisions", "bf16"),
                ("strategies", "ddp"),
                ("optimizers", "AdamW"),
                ("schedules", "StepLR"),
                ("train_options", "scaling"),
            },
        ),
        (
            {"quantize": {"scheme": "float16", "backend": "litert"}},
            {("kinds", "quantize"), ("quantize_schemes", "float16"), ("quantize_backends", "litert")},
        ),
        (
            {"prune": {"method": "l1-structured", "amount": 0.5}},
            {("kinds", "prune"), ("prune_methods", "l1-structured")},
        ),
        ({"export": {"format": "onnx"}}, {("kinds", "export"), ("export_formats", "onnx")}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_words_of_a_step_are_those_it_makes_use_of(step: dict[str, object], words: set[tuple[str, str]]) -> None:
    assert set(words_of(Step.model_validate({"name": "step", **step}))) == words
