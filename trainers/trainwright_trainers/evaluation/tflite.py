"""A TFLite model as something that can be measured: it runs in LiteRT on the CPU, whatever framework made it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.subject import Predict, Subject, model_input
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError, Quantization, Signature

FORMAT = "tflite"

Details = Mapping[str, Any]
"""What LiteRT's interpreter says of one input or output."""


def tflite_subject(artifact: Artifact) -> Subject:
    """The artifact's one .tflite file, to be measured.

    Raises:
        ArtifactError: LiteRT can't load it.
    """
    path = artifact.file(".tflite")
    return Subject(
        open=lambda threads: open_tflite(path, threads),
        weights=lambda: tflite_weights(path),
        size_bytes=artifact.size_bytes,
    )


def open_tflite(path: Path, threads: int) -> Predict:
    """The model in a .tflite file, ready to run on that many threads.

    Batches are given to it in portions of the size that it was converted for. Where its input or output is quantized,
    values are converted by its own scale and zero point: a cast alone would give wrong numbers without an error.

    Raises:
        ArtifactError: LiteRT can't load it.
    """
    interpreter, source, result = _interpreter(path, threads)
    portion = int(source["shape"][0])

    def predict(batch: Array) -> Array:
        parts = []
        for start in range(0, len(batch), portion):
            part = model_input(batch[start : start + portion])
            missing = portion - len(part)  # of the last portion
            if missing:
                part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
            interpreter.set_tensor(source["index"], quantized(part, source))
            interpreter.invoke()
            parts.append(dequantized(interpreter.get_tensor(result["index"]), result)[: portion - missing])
        return np.concatenate(parts)

    return predict


def tflite_signatures(path: Path) -> tuple[list[Signature], list[Signature]]:
    """The model's one input and one output; its batch size is fixed."""
    _, source, result = _interpreter(path, threads=1)
    return [_signature(source)], [_signature(result)]


def tflite_weights(path: Path) -> Iterator[Array]:
    """The stored weights: every constant that is a float, or that is quantized; shapes and indices are neither."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    kinds = {number: name.lower() for name, number in vars(schema.TensorType).items() if not name.startswith("_")}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        data, kind = model.buffers[tensor.buffer].data, kinds[tensor.type]
        scaled = tensor.quantization is not None and tensor.quantization.scale is not None
        if data is not None and len(data) and (kind.startswith("float") or scaled):
            yield np.frombuffer(bytes(data), dtype=kind)


def quantized(values: Array, tensor: Details) -> Array:
    """Numbers as the tensor takes them: [..] floats become its integers by its scale and zero point."""
    dtype: np.dtype[Any] = np.dtype(tensor["dtype"])
    scale, zero = tensor["quantization"]
    if dtype.kind == "f" or scale == 0:
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    integers: Array = np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(dtype)
    return integers


def dequantized(values: Array, tensor: Details) -> Array:
    """What the tensor's integers stand for."""
    scale, zero = tensor["quantization"]
    if values.dtype.kind == "f" or scale == 0:
        return values
    numbers: Array = ((values.astype(np.float32) - zero) * scale).astype(np.float32)
    return numbers


def _interpreter(path: Path, threads: int) -> tuple[Any, Details, Details]:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"{path} is not a TFLite model that LiteRT can load: {error}") from error
    sources, results = interpreter.get_input_details(), interpreter.get_output_details()
    if len(sources) != 1 or len(results) != 1:
        raise ArtifactError(f"{path} must have one input and one output")
    return interpreter, sources[0], results[0]


def _signature(tensor: Details) -> Signature:
    scale, zero = tensor["quantization"]
    return Signature(
        name=tensor["name"],
        dtype=np.dtype(tensor["dtype"]).name,
        shape=[int(size) for size in tensor["shape"]],
        quantization=Quantization(scale=float(scale), zero_point=int(zero)) if scale else None,
    )
