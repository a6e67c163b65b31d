"""How an exported model's files are laid out for whoever serves them."""

from collections.abc import Callable
from pathlib import Path

from trainwright_trainers.chain.source import Converted
from trainwright_trainers.evaluation.parity import BATCH_SIZES
from trainwright_trainers.runtime.artifacts import Signature

Layout = Callable[[Path, str, Converted], None]
"""(directory that holds just the model's file, name of the job, what the model is) -> lays the directory out."""

TRITON_TYPES = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
}
"""By NumPy's name (https://docs.nvidia.com/deeplearning/triton-inference-server/, Model Configuration, Datatypes)."""


def lay_out_plain(directory: Path, job: str, model: Converted) -> None:
    """Leave the model's file where it is."""


def lay_out_triton(directory: Path, job: str, model: Converted) -> None:
    """Make the directory a Triton model repository whose one model has the job's name, in version 1."""
    version = directory / job / "1"
    version.mkdir(parents=True)
    (directory / "model.onnx").rename(version / "model.onnx")
    (directory / job / "config.pbtxt").write_text(triton_configuration(job, model))


def triton_configuration(name: str, model: Converted) -> str:
    """Triton's config.pbtxt of an ONNX model.

    With any batch size, the first dimension is Triton's to fill, up to the largest batch that parity is checked at;
    else the model is said not to batch, and every dimension is written down.
    """
    batches = all(tensor.shape[0] == "batch" for tensor in model.inputs)
    lines = [
        f'name: "{name}"',
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {max(BATCH_SIZES) if batches else 0}",
        *(_tensor("input", tensor, batches) for tensor in model.inputs),
        *(_tensor("output", tensor, batches) for tensor in model.outputs),
        *(["dynamic_batching {}"] if batches else []),
    ]
    return "\n".join(lines) + "\n"


def _tensor(kind: str, tensor: Signature, batches: bool) -> str:
    shape = tensor.shape[1:] if batches else tensor.shape
    sizes = ", ".join(str(size) if isinstance(size, int) else "-1" for size in shape)
    return f'{kind} [ {{ name: "{tensor.name}" data_type: {TRITON_TYPES[tensor.dtype]} dims: [ {sizes} ] }} ]'
