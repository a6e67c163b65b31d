"""What a step runs on: the machine, and the versions of what decides its result."""

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    *("trainwright", "numpy", "scikit-learn", "safetensors", "onnx", "onnxruntime"),
    *("torch", "torchao", "torch-pruning", "litert-torch", "ai-edge-quantizer", "ai-edge-litert"),
    *(
        "tensorflow",
        "tensorflow-cpu",
        "keras",
        "tf2onnx",
        "jax",
        "flax",
        "optax",
        "orbax-checkpoint",
        "jax2onnx",
        "mxnet",
    ),
)
"""Distributions whose versions are told."""
NVIDIA = Path("/proc/driver/nvidia/gpus")
"""Where the driver describes the GPUs that it lets this machine see."""


def surroundings() -> dict[str, Any]:
    """Python, platform, CPUs, names of the GPUs, and the versions of the packages that are installed."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": _gpus(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    try:
        descriptions = [path.read_text() for path in sorted(NVIDIA.glob("*/information"))]
    except OSError:
        return []
    return [match[1].strip() for text in descriptions if (match := re.search(r"^Model:(.*)$", text, re.MULTILINE))]
