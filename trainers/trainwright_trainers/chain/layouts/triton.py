"""A model repository of NVIDIA Triton.

Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
"""

from pathlib import Path

from trainwright_trainers.chain.layouts.layout import Delivery
from trainwright_trainers.evaluation.parity import BATCH_SIZES
from trainwright_trainers.runtime.artifacts import Signature

PLATFORMS = {"onnx": "onnxruntime_onnx", "torchscript": "pytorch_libtorch"}
"""By our format."""

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
"""By NumPy's name (Triton's Model Configuration, Datatypes)."""


def lay_out_triton(directory: Path, delivery: Delivery) -> None:
    """Make the directory a model repository whose one model has the job's name, in version 1.

    What else the converter wrote goes into the model's folder: every folder of a repository is a model to Triton.
    """
    written = list(directory.iterdir())
    home = directory / delivery.name
    version = home / "1"
    version.mkdir(parents=True)
    for path in written:
        path.rename((version if path.name == delivery.model.file else home) / path.name)
    (home / "config.pbtxt").write_text(triton_configuration(delivery), encoding="utf-8")


def triton_configuration(delivery: Delivery) -> str:
    """Triton's config.pbtxt of the model.

    With any batch size, the first dimension is Triton's to fill, up to the largest batch that parity is checked at;
    else the model is said not to batch, and every dimension is written down.
    """
    model = delivery.model
    batches = all(tensor.shape[0] == "batch" for tensor in model.inputs)
    lines = [
        f'name: "{delivery.name}"',
        f'platform: "{PLATFORMS[model.format]}"',
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
