"""What a quantization scheme is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainwright_trainers.data import Dataset
from trainwright_trainers.evaluation import compare_exactly
from trainwright_trainers.evaluation.onnx import open_onnx
from trainwright_trainers.pytorch.chain import Converted, Source
from trainwright_trainers.pytorch.export.onnx import FILE, convert_to_onnx
from trainwright_trainers.pytorch.predictors import subject_of


@dataclass(frozen=True)
class Task:
    """What a scheme is given."""

    source: Source
    """The accepted artifact, a PyTorch model, or a float one in ONNX, and the data."""
    calibration: Dataset
    """Samples that may fix the activations' ranges."""
    draft: Path
    """An empty directory for the quantized model."""
    scratch: Path
    """An empty directory for what is needed on the way."""

    def float_onnx(self) -> Path:
        """The artifact as a float ONNX model, which was found to give the same outputs."""
        convert_to_onnx(self.source, self.scratch, dynamic_batch=True)
        before = subject_of(self.source.artifact, self.source.factory).open(1)
        compare_exactly(before, open_onnx(self.scratch / FILE, 1), self.source.splits.validation)
        return self.scratch / FILE


Scheme = Callable[[Task], Converted]
"""Writes the quantized model to the task's draft."""
