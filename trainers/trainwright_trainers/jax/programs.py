"""StableHLO programs as something that can be measured."""

import jax
import jax.export
import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import Predict, Subject
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError, Signature
from trainwright_trainers.runtime.tensors import read_tensors

FORMAT = "stablehlo"


def stablehlo_subject(artifact: Artifact) -> Subject:
    """A StableHLO program with its weights on the CPU, to be measured.

    Raises:
        ArtifactError: its files can't be read, or don't fit each other.
    """
    try:
        exported = jax.export.deserialize(bytearray(artifact.file(".stablehlo").read_bytes()))
        weights = read_tensors(artifact.file(".safetensors"))
    except Exception as error:  # whatever the parser of a hostile file raises
        raise ArtifactError(f"{artifact.directory} holds no StableHLO program that can be read: {error}") from error
    return Subject(
        open=lambda _threads: open_program(exported, weights, artifact.description.inputs[0]),
        weights=lambda: (array for name, array in weights.items() if name.startswith("parameters/")),
        size_bytes=artifact.size_bytes,
    )


def open_program(exported: jax.export.Exported, weights: dict[str, Array], taken: Signature) -> Predict:
    """The program as a function; a batch is cut into single samples where it takes nothing else."""
    cpu = jax.local_devices(backend="cpu")[0]
    call = jax.jit(exported.call)
    placed = jax.device_put(weights, cpu)

    def run(inputs: Array) -> Array:
        with jax.default_device(cpu):
            return np.asarray(call(placed, inputs), np.float32)

    def predict(batch: Array) -> Array:
        inputs = model_input(batch)
        if taken.shape[0] == "batch":
            return run(inputs)
        return np.concatenate([run(inputs[row : row + 1]) for row in range(len(inputs))])

    return predict
