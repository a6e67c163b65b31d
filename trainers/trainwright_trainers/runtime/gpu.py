"""What is told of a GPU while a step runs, in all frameworks by the same names."""

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from trainwright_trainers.runtime.progress import Figures, Progress


def watch_gpu(progress: Progress, memory: Callable[[], int | None], index: int = 0) -> None:
    """Have a GPU's figures measured at each scrape, where the process has one.

    Args:
        progress: the step's.
        memory: how many bytes the process holds of its GPUs, as the framework knows it; None without them.
        index: the GPU whose work is told, by its place among those that this process sees.
    """

    def figures() -> Figures:
        measured: Figures = {"gpu_memory_bytes": memory() or 0}
        busy = utilization(index)
        return measured if busy is None else {**measured, "gpu_utilization_ratio": busy}

    if memory() is not None:
        progress.watch(figures)


def utilization(index: int) -> float | None:
    """The share of the last moments in which a GPU was busy, from 0 to 1; None where NVIDIA's library can't tell.

    Args:
        index: the GPU's place among those that this process sees.

    Source: https://docs.nvidia.com/deploy/nvml-api/, nvmlDeviceGetUtilizationRates
    """
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        return float(pynvml.nvmlDeviceGetUtilizationRates(_handle(pynvml, index)).gpu) / 100
    except (pynvml.NVMLError, IndexError):
        return None


def _handle(pynvml: ModuleType, index: int) -> Any:
    """The library's word for the GPU; CUDA_VISIBLE_DEVICES has indices, or identifiers such as `GPU-8932f937-...`."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    name = visible[index] if visible else str(index)
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
