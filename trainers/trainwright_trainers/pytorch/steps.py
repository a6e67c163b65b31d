"""The kinds of step that this trainer carries out; a new one is one line here and one module."""

import importlib

from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.execution import Run

STEPS = {
    "train": "trainwright_trainers.pytorch.train",
    "distill": "trainwright_trainers.pytorch.distill",
    "prune": "trainwright_trainers.pytorch.prune",
    "quantize": "trainwright_trainers.pytorch.quantize",
    "export": "trainwright_trainers.pytorch.export",
    "evaluate": "trainwright_trainers.pytorch.evaluate",
    "profile": "trainwright_trainers.pytorch.profile",
}
"""Kind of step -> the module whose `run` carries it out."""


def find_run(step: StepContext) -> Run:
    """The function that carries out a step of this kind.

    Raises:
        ConfigurationError: there is none.
    """
    kind = step.configuration.step.kind
    if kind not in STEPS:
        raise ConfigurationError(f"the PyTorch trainer has no {kind} step; it has {', '.join(STEPS)}")
    run: Run = importlib.import_module(STEPS[kind]).run
    return run
