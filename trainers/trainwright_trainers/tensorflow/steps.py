"""The kinds of step that this trainer carries out; a new one is one line here and one module."""

import os

from trainwright_trainers.runtime import execution
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import Run

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only; read when TensorFlow is imported
os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's own ~/.keras says

STEPS = {
    "train": "trainwright_trainers.tensorflow.train",
    "distill": "trainwright_trainers.tensorflow.distill",
    "prune": "trainwright_trainers.tensorflow.prune",
    "quantize": "trainwright_trainers.tensorflow.quantize",
    "export": "trainwright_trainers.tensorflow.export",
    "evaluate": "trainwright_trainers.tensorflow.evaluate",
    "profile": "trainwright_trainers.tensorflow.profile",
}
"""Kind of step -> the module whose `run` carries it out."""


def find_run(step: StepContext) -> Run:
    """The function that carries out a step of this kind; a ConfigurationError when there is none."""
    return execution.find_run(step, STEPS, "TensorFlow")
