"""The number format of the forward and backward pass."""

from contextlib import AbstractContextManager, nullcontext

import torch

from trainwright.api.steps import Precision

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""fp32 needs no automatic casts."""


def casts(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """A context in which torch picks the format of each operation (https://docs.pytorch.org/docs/stable/amp.html)."""
    if precision not in TYPES:
        return nullcontext()  # a disabled autocast would cost a small model some percent
    return torch.autocast(device.type, TYPES[precision])


def make_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """What keeps small gradients from becoming zero in fp16; does nothing in the other formats."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
