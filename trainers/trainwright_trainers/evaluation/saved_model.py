"""A SavedModel as something that can be measured: it runs in TensorFlow on the CPU, whatever framework made it.

TensorFlow is imported no sooner than one is opened. On how many threads it runs is the whole process' matter.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import BATCH
from trainwright_trainers.evaluation.subject import Predict, Subject, model_input
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError, Signature
from trainwright_trainers.runtime.quiet import quiet

FORMAT = "saved-model"
FILE = "saved_model.pb"
"""The file that makes a directory a SavedModel."""
VERSION = "1"
"""The folder of the model's one version, as TensorFlow Serving wants it."""
SERVING = "serving_default"
"""The signature that is measured, and that TensorFlow Serving takes where none is named."""
REACH_OUT = ("PyFunc", "EagerPyFunc", "PyFuncStateless", "ReadFile", "WriteFile", "MatchingFiles", "LoadLibrary")
"""Operations that run code or touch files that are no part of the model."""


def saved_model_subject(artifact: Artifact) -> Subject:
    """The artifact's one SavedModel, to be measured.

    Raises:
        ArtifactError: TensorFlow can't load it, or it does more than to compute.
    """
    directory = artifact.file(FILE).parent
    function = load_served(directory)
    return Subject(
        open=lambda _threads: open_function(function),
        weights=lambda: trained(function),
        size_bytes=artifact.size_bytes,
    )


def load_served(directory: Path) -> Any:
    """The function that the SavedModel in a directory serves, of one input and with one output.

    Raises:
        ArtifactError: TensorFlow can't load it, or it does more than to compute.
    """
    with quiet():
        import tensorflow as tf

        check_operations(directory / FILE)
        try:
            loaded = tf.saved_model.load(str(directory))
            function = loaded.signatures[SERVING]
        except Exception as error:  # what is raised for files that don't fit each other has no common class
            reason = str(error).strip().partition("\n")[0]
            raise ArtifactError(f"{directory} holds no SavedModel that TensorFlow can serve: {reason}") from error
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ArtifactError(f"{directory} must have one input and one output, it has {[*inputs]} and {[*outputs]}")
    function.owner = loaded  # which has the variables, and must live as long
    return function


def check_operations(path: Path) -> None:
    """Refuse a SavedModel whose graph reaches out of itself.

    Raises:
        ArtifactError: it does, or is none.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        model = SavedModel.FromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise ArtifactError(f"{path} is not a SavedModel: {error}") from error
    graphs = [graph.graph_def for graph in model.meta_graphs]
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for function in graph.library.function for node in function.node_def]
    if found := sorted({node.op for node in nodes} & set(REACH_OUT)):
        raise ArtifactError(f"{path} does more than to compute: it has the operations {', '.join(found)}")


def open_function(function: Any) -> Predict:
    """A served function, ready to run; one with a fixed batch size gets its batches in such portions."""
    import tensorflow as tf

    (source,), (result,) = signatures(function)
    portion = source.shape[0] if isinstance(source.shape[0], int) else None

    def predict(batch: Array) -> Array:
        size = portion or len(batch)
        with tf.device("/CPU:0"):
            parts = [tf.convert_to_tensor(model_input(batch[i : i + size])) for i in range(0, len(batch), size)]
            return np.concatenate([function(**{source.name: part})[result.name].numpy() for part in parts])

    return predict


def signatures(function: Any) -> tuple[list[Signature], list[Signature]]:
    """A served function's input and output; a first dimension without a size is called `batch`."""
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    return [_signature(*tensor) for tensor in inputs.items()], [_signature(*tensor) for tensor in outputs.items()]


def trained(function: Any) -> Iterator[Array]:
    """A served function's weights, without running statistics."""
    for variable in function.variables:
        if variable.trainable:
            yield np.asarray(variable.numpy())


def _signature(name: str, tensor: Any) -> Signature:
    shape: list[int | str] = list(tensor.shape)
    if shape and shape[0] is None:
        shape[0] = BATCH
    return Signature(name=name, dtype=tensor.dtype.name, shape=shape)
