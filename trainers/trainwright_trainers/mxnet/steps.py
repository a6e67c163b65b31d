"""The kinds of step that this trainer carries out; a new one is one line here and one module."""

import os

from trainwright_trainers.runtime import execution
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import Run

os.environ.setdefault("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0")  # read when MXNet is imported

STEPS = {
    "train": "trainwright_trainers.mxnet.train",
    "distill": "trainwright_trainers.mxnet.distill",
    "prune": "trainwright_trainers.mxnet.prune",
    "quantize": "trainwright_trainers.mxnet.quantize",
    "export": "trainwright_trainers.mxnet.export",
    "evaluate": "trainwright_trainers.mxnet.evaluate",
    "profile": "trainwright_trainers.mxnet.profile",
}
"""Kind of step -> the module whose `run` carries it out."""


def find_run(step: StepContext) -> Run:
    """The function that carries out a step of this kind; a ConfigurationError when there is none."""
    return execution.find_run(step, STEPS, "MXNet")
