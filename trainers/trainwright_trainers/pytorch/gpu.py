"""What only NVIDIA's libraries know of this process' GPU."""

import contextlib

import torch

from trainwright_trainers.runtime.progress import Figures


def gpu_figures(device: torch.device) -> Figures:
    """How much of its memory tensors hold, and how busy it is where NVIDIA's management library can tell."""
    figures: Figures = {"gpu_memory_bytes": torch.cuda.memory_allocated(device)}
    with contextlib.suppress(ModuleNotFoundError, RuntimeError):
        figures["gpu_utilization_ratio"] = torch.cuda.utilization(device) / 100
    return figures
