"""Data sets that ship with packages, and adapters for the user's own."""

from trainwright_trainers.data.bundled import digits, mnist5k
from trainwright_trainers.data.factory import make_splits
from trainwright_trainers.data.image_folder import image_folder
from trainwright_trainers.data.npz import npz
from trainwright_trainers.data.splits import (
    Array,
    Arrays,
    Batch,
    Dataset,
    Splits,
    Subset,
    batches,
    calibration_split,
    read_batch,
)
from trainwright_trainers.data.text import python_manual, text_file

__all__ = [
    "Array",
    "Arrays",
    "Batch",
    "Dataset",
    "Splits",
    "Subset",
    "batches",
    "calibration_split",
    "digits",
    "image_folder",
    "make_splits",
    "mnist5k",
    "npz",
    "python_manual",
    "read_batch",
    "text_file",
]
