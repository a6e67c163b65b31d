"""What can be found out about the user's model, data and loss before the processes meet."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainwright.api.steps import Precision
from trainwright_trainers.chain.preflight import check_labels, read_numbers
from trainwright_trainers.data import Splits
from trainwright_trainers.pytorch.feeding import tensors
from trainwright_trainers.pytorch.losses import Loss
from trainwright_trainers.pytorch.memory import Activations
from trainwright_trainers.pytorch.precision import casts
from trainwright_trainers.runtime.errors import ConfigurationError

SAMPLES = 4
"""Samples of a trial batch at most."""


@dataclass(frozen=True)
class Trial:
    """A model about to be trained, and how."""

    model: nn.Module
    loss: Loss
    splits: Splits
    precision: Precision
    device: torch.device
    smallest_part: int
    """Samples of the smallest batch that a process will compute on."""
    field: str
    """Where the user described the training, such as `spec.steps[train].train`."""
    model_field: str
    """Where the user named the model's factory, such as `spec.model`."""
    activations: Activations
    """What the forward pass keeps, measured on the way."""


def look(trial: Trial) -> None:
    """Look at the data, and whether there is something to train.

    Raises:
        ConfigurationError: there is not, or the data can't be trained on.
    """
    if not any(parameter.requires_grad for parameter in trial.model.parameters()):
        raise ConfigurationError(f"{trial.model_field}: the model has no parameter to train")
    for split, dataset in (("train", trial.splits.train), ("validation", trial.splits.validation)):
        read_numbers(dataset, 1, split)


def rehearse(trial: Trial, network: nn.Module, *, measure: bool = False) -> bool:
    """Run one small batch forward and backward, without a trace in the model. Random numbers are drawn.

    Args:
        trial: what is tried.
        network: its model, or the same wrapped for distributed training: then it is collective.
        measure: whether to measure what the forward pass keeps.

    Returns:
        Whether some parameters got no gradient, since they take no part in the output.

    Raises:
        ConfigurationError: model, data and loss don't fit together.
    """
    count = min(SAMPLES, trial.smallest_part, len(trial.splits.train))
    inputs, targets = tensors(read_numbers(trial.splits.train, count, "train"), trial.device)
    buffers = {name: buffer.clone() for name, buffer in trial.model.named_buffers()}
    with trial.activations.measured(trial.model, count) if measure else nullcontext():
        outputs = _forward(trial, network, inputs)
    if isinstance(trial.loss, nn.CrossEntropyLoss | nn.NLLLoss | nn.MultiMarginLoss) and outputs.ndim >= 2:
        check_labels(trial.splits, outputs.shape[1], trial.model_field)
    _backward(trial, outputs, targets)
    for name, buffer in trial.model.named_buffers():
        buffer.copy_(buffers[name])
    unused = any(parameter.requires_grad and parameter.grad is None for parameter in trial.model.parameters())
    trial.model.zero_grad(set_to_none=True)
    return unused


def _forward(trial: Trial, network: nn.Module, inputs: Tensor) -> Tensor:
    try:
        with casts(trial.precision, trial.device):
            outputs = network.train()(inputs)
    except (RuntimeError, TypeError, ValueError, IndexError, AssertionError, NotImplementedError) as error:
        few = (
            f" (the last batch of an epoch leaves a process {trial.smallest_part} of its samples; another"
            f" {trial.field}.batchSize changes that)"
        )
        raise ConfigurationError(
            f"{trial.model_field} can't compute in {trial.precision} on a batch of spec.data, {_words(inputs)}:"
            f" {_line(error)}"
            f"{few if trial.smallest_part < SAMPLES else ''}"
        ) from error
    if not isinstance(outputs, Tensor):
        raise ConfigurationError(
            f"{trial.model_field}: the model must return one tensor, it returns {type(outputs).__name__}"
        )
    return outputs


def _backward(trial: Trial, outputs: Tensor, targets: Tensor) -> None:
    name = f"{trial.field}.loss"
    if outputs.shape != targets.shape and isinstance(
        trial.loss, nn.MSELoss | nn.L1Loss | nn.SmoothL1Loss | nn.HuberLoss
    ):
        raise ConfigurationError(
            f"{name} would spread the targets of spec.data, {_words(targets)}, over the outputs of"
            f" {trial.model_field}, {_words(outputs)}: both must have the same shape"
        )
    try:
        with casts(trial.precision, trial.device):
            value = trial.loss(outputs, targets)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ConfigurationError(
            f"{name} can't compare the outputs of {trial.model_field}, {_words(outputs)}, with the targets of"
            f" spec.data, {_words(targets)}: {_line(error)}"
        ) from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = _words(value) if isinstance(value, Tensor) else type(value).__name__
        raise ConfigurationError(f"{name} must return one number, the mean over the batch; it returns {got}")
    value.backward()  # type: ignore[no-untyped-call]


def _words(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
