"""From the environment to the exit code: how every framework's entry point runs a step."""

import os
from collections.abc import Callable
from pathlib import Path

from trainwright.api.contract import TERMINATION_VARIABLE, StepResult
from trainwright_trainers.runtime.context import StepContext, read_context
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.faults import exit_code, failure, fault_of_error
from trainwright_trainers.runtime.logs import LOG
from trainwright_trainers.runtime.results import write_result, write_termination_message

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
    try:
        result = run(step)
    except ConfigurationError as error:
        result = failure(fault_of_error(error))
    except Exception as error:
        LOG.exception("step %s failed", step.configuration.step.name)
        result = failure(fault_of_error(error))
    if os.environ.get("PET_NODE_RANK", "0") == "0":  # the other pods' results are in their termination messages
        write_result(result, step.directory / RESULT_FILE)
    return _conclude(result)


def _conclude(result: StepResult) -> int:
    if result.fault is not None:
        LOG.error("%s: %s", result.fault.kind, result.fault.message)
    write_termination_message(result, Path(os.environ.get(TERMINATION_VARIABLE, "/dev/termination-log")))
    return exit_code(result)
