"""The kinds of step that this trainer carries out; a new one is one line here and one module."""

from trainwright_trainers.runtime import execution
from trainwright_trainers.runtime.context import StepContext
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
    """The function that carries out a step of this kind; a ConfigurationError when there is none."""
    return execution.find_run(step, STEPS, "PyTorch")
