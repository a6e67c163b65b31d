"""An artifact of any format as something that can be measured."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainwright.api.steps import Factory
from trainwright_trainers.chain.source import SubjectOf, subject_by_format
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import Predict, Subject
from trainwright_trainers.evaluation.onnx import onnx_subject
from trainwright_trainers.evaluation.saved_model import saved_model_subject
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.evaluation.tflite import tflite_subject
from trainwright_trainers.runtime.artifacts import Artifact
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.networks import kept


def keras_subject(artifact: Artifact, factory: Factory) -> Subject:
    """A Keras model on the CPU, to be measured."""
    model = load_model(artifact, factory)
    return Subject(
        open=lambda _threads: open_model(model),
        weights=lambda: (
            np.asarray(variable.numpy()) for name, variable in kept(model).items() if name.startswith("parameters/")
        ),
        size_bytes=artifact.size_bytes,
    )


SUBJECTS: dict[str, SubjectOf] = {
    "safetensors": keras_subject,
    "saved-model": lambda artifact, _factory: saved_model_subject(artifact),
    "tflite": lambda artifact, _factory: tflite_subject(artifact),
    "onnx": lambda artifact, _factory: onnx_subject(artifact),
}
"""By the artifact's format."""


def subject_of(artifact: Artifact, factory: Factory) -> Subject:
    """The artifact, loaded from its files and ready to be measured.

    Raises:
        ConfigurationError: its format is unknown here, or its model was not made by `factory`.
        ArtifactError: its files are not what their format demands.
    """
    return subject_by_format(artifact, factory, SUBJECTS, "TensorFlow")


def open_model(model: Any) -> Predict:
    """The model as a compiled function on the CPU; on how many threads it runs is the whole process' matter."""

    @tf.function(reduce_retracing=True)
    def run(inputs: Any) -> Any:
        return tf.cast(model(inputs, training=False), tf.float32)

    def predict(batch: Array) -> Array:
        with tf.device("/CPU:0"):
            return np.asarray(run(tf.convert_to_tensor(model_input(batch))))

    return predict
