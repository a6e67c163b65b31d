"""What goes into a PyTorch model and what comes out, as its exports describe it."""

import numpy as np
import torch
from torch import Tensor, nn

from trainwright_trainers.chain.weights import signature
from trainwright_trainers.data import Array
from trainwright_trainers.pytorch.artifacts import run
from trainwright_trainers.runtime.artifacts import Signature


def example_batch(sample: Array, dynamic_batch: bool) -> Tensor:
    """What a model is traced with: torch's tracers take a batch of one for a constant, so any size needs two."""
    return torch.from_numpy(np.repeat(sample, 2, axis=0) if dynamic_batch else sample)


def torch_signatures(
    name: str, model: nn.Module, sample: Array, dynamic_batch: bool, output: str = "output"
) -> tuple[list[Signature], list[Signature]]:
    """Signatures of the model's one input `name` and its output, for any batch size or for one sample at a time."""
    inputs, outputs = signature(name, sample), signature(output, run(model, sample))
    if not dynamic_batch:
        inputs, outputs = (one.model_copy(update={"shape": [1, *one.shape[1:]]}) for one in (inputs, outputs))
    return [inputs], [outputs]
