"""From the environment to the exit code: how every framework's entry point runs a step."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from trainwright.api.base import JsonObject
from trainwright.api.contract import INDEX_VARIABLE, TERMINATION_VARIABLE, StepResult
from trainwright_trainers.runtime.context import StepContext, read_context
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.faults import exit_code, failure, fault_of_error
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.results import write_result, write_termination_message
from trainwright_trainers.runtime.surroundings import surroundings

Run = Callable[[StepContext], StepResult]
"""Carries out a step."""

RESULT_FILE = "result.json"
"""The full result, in the step's directory."""


def execute(run: Run) -> int:
    """Run the step that the environment describes, write its result, return the exit code."""
    try:
        step = read_context()
    except ConfigurationError as error:
        return _conclude(failure(fault_of_error(error)))
    step.stop.listen()
    first_pod = os.environ.get(INDEX_VARIABLE, "0") == "0"  # the others' results are in their termination messages
    if first_pod:
        step.journal.record("started", **surroundings())
    try:
        result = run(step)
    except ConfigurationError as error:
        result = failure(fault_of_error(error))
    except Exception as error:
        LOG.exception("step %s failed", step.configuration.step.name)
        result = failure(fault_of_error(error))
    if first_pod:
        write_result(result, step.directory / RESULT_FILE)
        step.journal.record("ended", **_in_short(result))
    return _conclude(result)


def find_run(step: StepContext, modules: Mapping[str, str], framework: str) -> Run:
    """The function that carries out a step of this kind.

    Args:
        step: the step.
        modules: the module whose `run` carries out a kind of step, by the kind.
        framework: the trainer's, for people.

    Raises:
        ConfigurationError: there is none.
    """
    kind = step.configuration.step.kind
    if kind not in modules:
        raise ConfigurationError(f"the {framework} trainer has no {kind} step; it has {', '.join(modules)}")
    run: Run = importlib.import_module(modules[kind]).run
    return run


def leave(code: int) -> NoReturn:
    """End the process with an exit code, without destructors: a framework's may wait for processes that are gone, for
    what they no longer send, or abort."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _in_short(result: StepResult) -> JsonObject:
    message = f"{result.fault.kind}: {result.fault.message}" if result.fault else ""
    return {"outcome": result.outcome, "trainingStep": result.training_step, "message": message}


def _conclude(result: StepResult) -> int:
    if result.fault is not None:
        LOG.error("%s: %s", result.fault.kind, result.fault.message)
    write_termination_message(result, Path(os.environ.get(TERMINATION_VARIABLE, "/dev/termination-log")))
    return exit_code(result)
