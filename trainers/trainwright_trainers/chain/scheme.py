"""What a quantization scheme is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainwright_trainers.chain.source import Converted, Converter, Source, SubjectOf
from trainwright_trainers.data import Dataset
from trainwright_trainers.evaluation import compare_exactly
from trainwright_trainers.evaluation.onnx import open_onnx


@dataclass(frozen=True)
class Task:
    """What a scheme is given."""

    source: Source
    """The accepted artifact, a model of the framework, or a float one in ONNX, and the data."""
    calibration: Dataset
    """Samples that may fix the activations' ranges."""
    draft: Path
    """An empty directory for the quantized model."""
    scratch: Path
    """An empty directory for what is needed on the way."""
    convert_to_onnx: Converter
    """How the framework makes an ONNX model of the artifact."""
    subject_of: SubjectOf
    """Loads an artifact of any format that the framework reads."""

    def float_onnx(self) -> Converted:
        """The artifact as a float ONNX model in `scratch`, which was found to give the same outputs."""
        converted = self.convert_to_onnx(self.source, self.scratch, True)
        before = self.subject_of(self.source.artifact, self.source.factory).open(1)
        compare_exactly(before, open_onnx(self.scratch / converted.file, 1), self.source.splits.validation)
        return converted


Scheme = Callable[[Task], Converted]
"""Writes the quantized model to the task's draft."""
