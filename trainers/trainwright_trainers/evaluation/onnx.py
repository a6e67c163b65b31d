"""An ONNX model as something that can be measured: it runs in ONNX Runtime on the CPU, whatever framework made it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.subject import Predict, Subject, model_input
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError, Signature

if TYPE_CHECKING:
    import onnx

FORMAT = "onnx"
BATCH = "batch"
"""The name of the dimension that takes any size."""
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
DYNAMIC_QUANTIZERS = ("MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
"""Operators whose third and further inputs are zero points and scales."""


def onnx_subject(artifact: Artifact) -> Subject:
    """The artifact's one .onnx file, to be measured.

    Raises:
        ArtifactError: it isn't a valid ONNX model, or keeps weights in further files.
    """
    path = artifact.file(".onnx")
    model = read_onnx(path)
    return Subject(
        open=lambda threads: open_onnx(path, threads),
        weights=lambda: onnx_weights(model),
        size_bytes=artifact.size_bytes,
    )


def read_onnx(path: Path) -> "onnx.ModelProto":
    """The model in an .onnx file, checked against the ONNX standard.

    Raises:
        ArtifactError: it isn't a valid ONNX model, or keeps weights in further files, whose paths could lead anywhere.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(path, load_external_data=False)
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
            raise ArtifactError(f"{path} keeps weights in further files; trainwright loads models of one file only")
        onnx.checker.check_model(model, full_check=True)
    except (DecodeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ArtifactError(f"{path} is not a valid ONNX model: {error}") from error
    return model


def onnx_signatures(model: "onnx.ModelProto") -> tuple[list[Signature], list[Signature]]:
    """The model's inputs and outputs; a first dimension without a size is called `batch`."""
    return [_signature(value) for value in model.graph.input], [_signature(value) for value in model.graph.output]


def open_onnx(path: Path, threads: int) -> Predict:
    """The model in an .onnx file, ready to run on that many threads.

    A model with a fixed batch size gets its batches in such portions.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1:
        raise ArtifactError(f"{path} must have one input and one output")
    source, result = session.get_inputs()[0], session.get_outputs()[0]
    portion = source.shape[0] if isinstance(source.shape[0], int) else None

    def predict(batch: Array) -> Array:
        parts = [batch[i : i + portion] for i in range(0, len(batch), portion)] if portion else [batch]
        return np.concatenate([session.run([result.name], {source.name: model_input(part)})[0] for part in parts])

    return predict


def onnx_weights(model: "onnx.ModelProto") -> Iterator[Array]:
    """The stored weights: every constant of the graph but quantization's scales and zero points, and shapes."""
    from onnx import numpy_helper

    scales = _scales(model.graph)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name not in scales and array.dtype != np.int64:
            yield array


def _scales(graph: "onnx.GraphProto") -> set[str]:
    """Names of quantization's constants: those of its operators, and what integer weights are multiplied with."""
    constants = {tensor.name for tensor in graph.initializer}
    cast = {node.output[0] for node in graph.node if node.op_type == "Cast" and node.input[0] in constants}
    found = {name for node in graph.node if node.op_type in QUANTIZERS for name in node.input[1:]}
    for node in graph.node:
        if node.op_type == "Mul" and cast & set(node.input):
            found |= set(node.input)
        if node.op_type in DYNAMIC_QUANTIZERS:
            found |= set(node.input[2:])
    return found


def _tensors(graph: "onnx.GraphProto") -> "Iterator[onnx.TensorProto]":
    """All constants of a graph, and of the graphs inside it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _signature(value: "onnx.ValueInfoProto") -> Signature:
    from onnx import helper

    tensor = value.type.tensor_type
    sizes = [size.dim_value if size.HasField("dim_value") else size.dim_param for size in tensor.shape.dim]
    if sizes and isinstance(sizes[0], str):
        sizes[0] = BATCH
    return Signature(name=value.name, dtype=helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape=sizes)
