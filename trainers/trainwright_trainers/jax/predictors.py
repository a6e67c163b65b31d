"""An artifact of any format as something that can be measured."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from trainwright.api.steps import Factory
from trainwright_trainers.chain.source import SubjectOf, subject_by_format
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import Predict, Subject
from trainwright_trainers.evaluation.onnx import onnx_subject
from trainwright_trainers.evaluation.saved_model import saved_model_subject
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.evaluation.tflite import tflite_subject
from trainwright_trainers.jax.artifacts import Model, load_model
from trainwright_trainers.jax.programs import stablehlo_subject
from trainwright_trainers.jax.tensorflow import use_tensorflow
from trainwright_trainers.runtime.artifacts import Artifact

CHUNK = 64
"""Samples that a program computes on at once."""


def jax_subject(artifact: Artifact, factory: Factory) -> Subject:
    """A JAX model on the CPU, to be measured."""
    model = load_model(artifact, factory)
    return Subject(
        open=lambda threads: open_model(model, threads),
        weights=lambda: map(np.asarray, jax.tree.leaves(model.variables.parameters)),
        size_bytes=artifact.size_bytes,
    )


def tensorflow_subject(artifact: Artifact) -> Subject:
    """A SavedModel on the CPU, to be measured."""
    use_tensorflow()
    return saved_model_subject(artifact)


SUBJECTS: dict[str, SubjectOf] = {
    "safetensors": jax_subject,
    "onnx": lambda artifact, _factory: onnx_subject(artifact),
    "saved-model": lambda artifact, _factory: tensorflow_subject(artifact),
    "stablehlo": lambda artifact, _factory: stablehlo_subject(artifact),
    "tflite": lambda artifact, _factory: tflite_subject(artifact),
}
"""By the artifact's format."""


def subject_of(artifact: Artifact, factory: Factory) -> Subject:
    """The artifact, loaded from its files and ready to be measured.

    Raises:
        ConfigurationError: its format is unknown here, or its model was not made by `factory`.
        ArtifactError: its files are not what their format demands.
    """
    return subject_by_format(artifact, factory, SUBJECTS, "JAX")


def open_model(model: Model, threads: int) -> Predict:
    """The model as compiled functions on the CPU, whose operations run on one thread or on all.

    A program takes one size of batch: there is one for single samples and one for `CHUNK`, which others are cut into.
    """
    cpu = jax.local_devices(backend="cpu")[0]
    variables = jax.device_put(jax.tree.map(np.asarray, model.variables), cpu)

    def compiled(size: int) -> Any:
        function = jax.jit(lambda variables, inputs: replace(model, variables=variables).run(inputs))
        inputs = jax.ShapeDtypeStruct((size, *model.sample.shape[1:]), model.sample.dtype)
        options: dict[str, str | bool] = {"xla_cpu_multi_thread_eigen": threads > 1}
        with jax.default_device(cpu):
            return function.lower(variables, inputs).compile(compiler_options=options)

    one, chunk = compiled(1), compiled(CHUNK)

    def predict(batch: Array) -> Array:
        inputs = model_input(batch)
        if len(inputs) == 1:
            return np.asarray(one(variables, inputs), np.float32)
        outputs = []
        for start in range(0, len(inputs), CHUNK):
            rows = inputs[start : start + CHUNK]
            outputs.append(np.asarray(chunk(variables, np.resize(rows, (CHUNK, *rows.shape[1:]))))[: len(rows)])
        return np.concatenate(outputs).astype(np.float32)

    return predict
