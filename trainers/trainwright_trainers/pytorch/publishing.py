"""How a step ends: what it made is loaded from its files, measured beside what it was made from, and published."""

from pathlib import Path
from typing import Any, Unpack

from torch import nn

from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.publishing import About, publish_trained
from trainwright_trainers.data import Dataset, read_batch
from trainwright_trainers.pytorch.artifacts import write_model
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.programs import open_module
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.runtime.context import StepContext


def publish_model(
    context: StepContext,
    model: nn.Module,
    factory: Factory,
    validation: Dataset,
    **about: Unpack[About],
) -> StepResult:
    """Publish a PyTorch model as the step's artifact. In one process only.

    Args:
        context: the step.
        model: the model, not wrapped for distributed training; it ends in evaluation mode on the CPU.
        factory: what made it.
        validation: the split that it is measured on.
        about: see `About`.

    Raises:
        NonFiniteWeightsError: a weight is no number.
        ParityError: loaded again from its files, the model gives other outputs.
    """
    model.cpu().eval()
    sample, _ = read_batch(validation, [0])

    def write(draft: Path, **of: Any) -> Artifact:
        return write_model(draft, model, sample, **of)

    return publish_trained(context, write, open_module(model, 1), factory, validation, subject_of, **about)
