"""An artifact of any format as something that can be measured."""

from collections.abc import Callable

from trainwright.api.steps import Factory
from trainwright_trainers.evaluation import Subject
from trainwright_trainers.evaluation.onnx import onnx_subject
from trainwright_trainers.mxnet.artifacts import load_model
from trainwright_trainers.mxnet.networks import kept
from trainwright_trainers.mxnet.programs import predict_by, symbol_subject
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.runtime.errors import ConfigurationError


def gluon_subject(artifact: Artifact, factory: Factory) -> Subject:
    """A Gluon model on the CPU; on how many threads it runs is the whole process' matter."""
    model = load_model(artifact, factory)
    return Subject(
        open=lambda _threads: predict_by(model),
        weights=lambda: (values.asnumpy() for name, values in kept(model).items() if name.startswith("parameters/")),
        size_bytes=artifact.size_bytes,
    )


SUBJECTS: dict[str, Callable[[Artifact, Factory], Subject]] = {
    "safetensors": gluon_subject,
    "onnx": lambda artifact, _factory: onnx_subject(artifact),
    "mxnet-symbol": lambda artifact, _factory: symbol_subject(artifact),
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
            f"the artifact of step {artifact.description.name!r} has the format {format!r}; the MXNet trainer reads"
            f" {', '.join(SUBJECTS)}"
        )
    return SUBJECTS[format](artifact, factory)
