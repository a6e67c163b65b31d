"""An artifact of any format as something that can be measured."""

from collections.abc import Callable

import torch

from trainwright.api.steps import Factory
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import Predict, Subject
from trainwright_trainers.evaluation.onnx import onnx_subject
from trainwright_trainers.pytorch.artifacts import load_model, run
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.runtime.errors import ConfigurationError


def torch_subject(artifact: Artifact, factory: Factory) -> Subject:
    """A PyTorch model on the CPU, to be measured."""
    model = load_model(artifact, factory)
    return Subject(
        open=lambda threads: open_model(model, threads),
        weights=lambda: (parameter.detach().numpy() for parameter in model.parameters()),
        size_bytes=artifact.size_bytes,
    )


SUBJECTS: dict[str, Callable[[Artifact, Factory], Subject]] = {
    "safetensors": torch_subject,
    "onnx": lambda artifact, _factory: onnx_subject(artifact),
}
"""By the artifact's format."""


def subject_of(artifact: Artifact, factory: Factory) -> Subject:
    """The artifact, loaded from its files and ready to be measured.

    Raises:
        ConfigurationError: its format is unknown here, or its model was not made by `factory`.
        ArtifactError: its files are not what their format demands.
    """
    format = artifact.description.format
    if format not in SUBJECTS:
        raise ConfigurationError(
            f"the artifact of step {artifact.description.name!r} has the format {format!r}; the PyTorch trainer reads"
            f" {', '.join(SUBJECTS)}"
        )
    return SUBJECTS[format](artifact, factory)


def open_model(model: torch.nn.Module, threads: int) -> Predict:
    """The model in evaluation mode as a function that runs on that many threads."""

    def predict(batch: Array) -> Array:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        return run(model, batch)

    return predict
