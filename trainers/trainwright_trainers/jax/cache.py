"""Compiled programs on the job's storage, so that a restart doesn't compile again."""

import hashlib
import platform
from pathlib import Path

import jax

CPU = Path("/proc/cpuinfo")
DIRECTORY = "cache/jax"
"""Below the storage's root."""


def use_compilation_cache(root: Path) -> None:
    """Keep compiled programs below `root`.

    Programs for the CPU hold instructions that other CPUs may lack, so each kind of CPU has a directory of its own.
    """
    jax.config.update("jax_compilation_cache_dir", str(root / DIRECTORY / _kind_of_cpu()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _kind_of_cpu() -> str:
    try:
        lines = CPU.read_text().splitlines()
    except OSError:
        lines = []
    abilities = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(f"{platform.machine()} {abilities}".encode()).hexdigest()[:16]
