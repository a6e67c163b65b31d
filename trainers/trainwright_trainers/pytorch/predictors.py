"""An artifact of any format as something that can be measured."""

from trainwright.api.steps import Factory
from trainwright_trainers.chain.source import SubjectOf, subject_by_format
from trainwright_trainers.evaluation import Subject
from trainwright_trainers.evaluation.onnx import onnx_subject
from trainwright_trainers.evaluation.tflite import tflite_subject
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.programs import open_module, pt2_subject, torchscript_subject
from trainwright_trainers.runtime.artifacts import Artifact


def torch_subject(artifact: Artifact, factory: Factory) -> Subject:
    """A PyTorch model on the CPU, to be measured."""
    model = load_model(artifact, factory)
    return Subject(
        open=lambda threads: open_module(model, threads),
        weights=lambda: (parameter.detach().numpy() for parameter in model.parameters()),
        size_bytes=artifact.size_bytes,
    )


SUBJECTS: dict[str, SubjectOf] = {
    "safetensors": torch_subject,
    "onnx": lambda artifact, _factory: onnx_subject(artifact),
    "pt2": lambda artifact, _factory: pt2_subject(artifact),
    "torchscript": lambda artifact, _factory: torchscript_subject(artifact),
    "tflite": lambda artifact, _factory: tflite_subject(artifact),
}
"""By the artifact's format."""


def subject_of(artifact: Artifact, factory: Factory) -> Subject:
    """The artifact, loaded from its files and ready to be measured.

    Raises:
        ConfigurationError: its format is unknown here, or its model was not made by `factory`.
        ArtifactError: its files are not what their format demands.
    """
    return subject_by_format(artifact, factory, SUBJECTS, "PyTorch")
