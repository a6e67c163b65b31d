"""Activation checkpointing: what the backward pass needs is computed again instead of kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trainwright_trainers.pytorch.blocks import found_blocks


def recompute_blocks(model: nn.Module, field: str) -> None:
    """From now on, each of the model's blocks keeps only its inputs for the backward pass.

    The module tree, and with it the names of all weights, stays as it is.

    Args:
        model: the model.
        field: where the user asked for it, such as `spec.steps[train].train.activationCheckpointing`.

    Raises:
        ConfigurationError: the model has no blocks.
    """
    for block in found_blocks(model, field, "compute again"):
        block.forward = _Recomputed(block)


class _Recomputed:
    """A block's forward pass, with its results thrown away and computed again when the backward pass needs them."""

    def __init__(self, block: nn.Module) -> None:
        self._forward = block.forward
        contexts = partial(_contexts, block)
        self._checkpointed = partial(checkpoint, block.forward, use_reentrant=False, context_fn=contexts)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return (self._checkpointed if torch.is_grad_enabled() else self._forward)(*inputs, **named)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """What the first and the second computation run in."""
    return nullcontext(), _buffers_kept(block)


@contextmanager
def _buffers_kept(block: nn.Module) -> Iterator[None]:
    """Let the second computation change copies of the buffers: batch normalization must not count a batch twice."""
    kept = [(layer, name, buffer) for layer in block.modules() for name, buffer in layer.named_buffers(recurse=False)]
    for layer, name, buffer in kept:
        setattr(layer, name, buffer.clone())
    try:
        yield
    finally:
        for layer, name, buffer in kept:
            setattr(layer, name, buffer)
