"""The kinds of step that this trainer carries out; a new one is one line here and one module."""

from trainwright_trainers.runtime import execution
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.execution import Run

STEPS = {
    "train": "trainwright_trainers.jax.train",
    "distill": "trainwright_trainers.jax.distill",
    "prune": "trainwright_trainers.jax.prune",
    "quantize": "trainwright_trainers.jax.quantize",
    "export": "trainwright_trainers.jax.export",
    "evaluate": "trainwright_trainers.jax.evaluate",
    "profile": "trainwright_trainers.jax.profile",
}
"""Kind of step -> the module whose `run` carries it out."""


def find_run(step: StepContext) -> Run:
    """The function that carries out a step of this kind; a ConfigurationError when there is none."""
    return execution.find_run(step, STEPS, "JAX")
