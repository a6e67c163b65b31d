"""What the table of capabilities promises, held against the steps that tests have run.

Whoever runs a real step in a test says so here, with `ran` or `ran_job`. At the end of a run of the whole suite every
word of the table must have been in a step that succeeded, in a test that passed.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import fields
from typing import Any

import cel
import pytest

from trainwright.api.capabilities import CAPABILITIES, FIELDS, TRAIN_OPTIONS, Capabilities
from trainwright.api.steps import Step

Cell = tuple[str, str, str]
"""Framework, capability, word."""

_seen: set[Cell] = set()
"""Of the test that runs."""


def ran(framework: str, step: Step) -> None:
    """A step of that framework was run by its trainer, and succeeded."""
    _seen.update((framework, *word) for word in words_of(step))


def ran_with(framework: str, capability: str, word: str) -> None:
    """A training with that optimizer, or schedule, was run without a step around it, and learned."""
    _seen.add((framework, capability, word))


def ran_job(job: Mapping[str, Any]) -> None:
    """A TrainingJob was run: those of its steps count that its status says succeeded."""
    states = {step["name"]: step["state"] for step in job.get("status", {}).get("steps", ())}
    for step in job["spec"]["steps"]:
        if states.get(step["name"]) == "Succeeded":
            ran(job["spec"]["framework"], Step.model_validate(step))


def words_of(step: Step) -> Iterator[tuple[str, str]]:
    """Every capability that the step makes use of, with its word."""
    yield "kinds", step.kind
    for capability, (kind, field, _) in FIELDS.items():
        if kind == step.kind and (word := getattr(step.options, field)):
            yield capability, word
    if step.train:
        yield "optimizers", step.train.optimizer.name
        if step.train.schedule:
            yield "schedules", step.train.schedule.name
        context = {"train": step.train.model_dump(mode="json", by_alias=True, exclude_none=True)}
        for option, asked in TRAIN_OPTIONS.items():
            if cel.evaluate(asked.format("train"), context):
                yield "train_options", option


def promised(capabilities: Mapping[str, Capabilities]) -> Iterator[Cell]:
    """Every yes of the table."""
    for framework, able in capabilities.items():
        for capability in fields(able):
            for word in getattr(able, capability.name):
                yield framework, capability.name, word


class Promises:
    """A plugin of pytest that keeps account of what tests have run."""

    def __init__(self, config: pytest.Config, capabilities: Mapping[str, Capabilities] = CAPABILITIES) -> None:
        self._promised = list(promised(capabilities))
        self._told: bool = config.option.capabilities
        self._run: set[Cell] = set()
        self._outcomes: list[str] = []
        self._tests = 0
        self._whole = True

    def pytest_deselected(self) -> None:
        """Some tests are not to be run."""
        self._whole = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Takes what a test ran, with the fixtures that were made for it, if it passed."""
        _seen.clear()
        self._outcomes = []
        self._tests += 1
        result = yield
        if set(self._outcomes) == {"passed"}:  # set-up, test and clean-up
            self._run |= {_plain(cell) for cell in _seen}
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One of a test's three parts is over."""
        self._outcomes.append(report.outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fails a run of the whole suite that leaves a yes untested."""
        self._whole = self._whole and self._tests == len(session.items) and _has_every_file(session)
        if self._whole and self._untested() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Names each yes that no test ran and, when asked to, those that one did."""
        untested = self._untested()
        if self._told:
            terminalreporter.section("capabilities that tests ran")
            for cell in self._promised:
                if cell not in untested:
                    terminalreporter.write_line(", ".join(cell))
        if untested and (self._told or self._whole):
            terminalreporter.section("capabilities that no test ran", red=True)
            for cell in untested:
                terminalreporter.write_line(", ".join(cell))
            terminalreporter.write_line(
                "trainwright.api.capabilities says yes to these, and no test that passed has run a step with them."
            )

    def _untested(self) -> list[Cell]:
        return [cell for cell in self._promised if _plain(cell) not in self._run]


def _plain(cell: Cell) -> Cell:
    """The same for any spelling of an optimizer's or a schedule's name."""
    framework, capability, word = cell
    return framework, capability, word.lower()


def _has_every_file(session: pytest.Session) -> bool:
    """Whether tests of every file were collected, and not only those that the command line names."""
    folders = [session.config.rootpath / folder for folder in session.config.getini("testpaths")]
    files = {path for folder in folders for path in folder.rglob("test_*.py")}
    named = any("::" in argument for argument in session.config.args)
    return not named and files <= {item.path for item in session.items}
