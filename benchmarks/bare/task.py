"""What all contenders train on, and how they say when a step began."""

import os
import time
from functools import cache
from io import FileIO
from pathlib import Path

import numpy as np
import psutil

from benchmarks.figures import SPENT

PROCESSES = 2
BATCH = 256
EPOCH = 50
"""Batches that the data set has."""
RATE = 1e-3
STAMPS = "BENCHMARK_STAMPS"
"""The file that steps are noted in; they aren't where it is not set."""
STAMP_BYTES = 24
HALTED = ".halted"
"""Ending of the file beside those of the steps that lets no step begin while it is there."""
LOOK_SECONDS = 0.005


def samples() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The trainer's data factory: random images of random classes, a whole number of batches."""
    random = np.random.default_rng(0)
    images = random.random((BATCH * EPOCH, 1, 8, 8), np.float32)
    labels = random.integers(0, 10, len(images))
    return (images, labels), (images[:8], labels[:8])


def note_step() -> None:
    """Note that a step begins: the time, the CPU time used by then, and that in what is counted; only in rank 0.

    While the contender is halted it waits here, and the other processes in the collective for it. Were they stopped by
    a signal, then after some seconds without a sign of life they would take each other for lost.
    """
    file = _stamps()
    if file is None:
        return
    while Path(f"{os.environ[STAMPS]}{HALTED}").exists():
        time.sleep(LOOK_SECONDS)
    # The launcher's part matters for the start only, and takes a while to read.
    launcher = psutil.Process(os.getppid()).cpu_times() if file.tell() < 3 * STAMP_BYTES else None
    used = time.process_time() + (launcher.user + launcher.system if launcher else 0.0)
    file.write(np.array([time.time(), used, SPENT.seconds]).tobytes())


@cache
def _stamps() -> FileIO | None:
    wanted = STAMPS in os.environ and os.environ["RANK"] == "0"
    return Path(os.environ[STAMPS]).open("ab", buffering=0) if wanted else None
