"""ONNX models as files: what every framework's exporter does after its own part."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.evaluation.onnx import BATCH, FORMAT, onnx_signatures, read_onnx
from trainwright_trainers.runtime.errors import ConfigurationError

if TYPE_CHECKING:
    import onnx

FILE = "model.onnx"


def convert_onnx(source: Source, target: Path, dynamic_batch: bool) -> None:
    """Copy an artifact that is ONNX already, such as a quantized one; only its batch size may be fixed."""
    shutil.copyfile(source.artifact.file(".onnx"), target)
    if not dynamic_batch:
        fix_batch(target)


def save_without_origins(model: "onnx.ModelProto", target: Path) -> None:
    """Write the model without the source lines and paths that the exporter notes at every part of it."""
    import onnx

    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
    onnx.save(model, target)


def fix_batch(path: Path) -> None:
    """Make a model that takes any batch size one that takes a single sample."""
    import onnx
    from onnxruntime.tools.onnx_model_utils import make_dim_param_fixed

    model = read_onnx(path)
    make_dim_param_fixed(model.graph, BATCH, 1)
    onnx.save(model, path)


def describe_onnx(path: Path, dynamic_batch: bool, tools: dict[str, str]) -> Converted:
    """What stands in an .onnx file.

    Args:
        path: the file.
        dynamic_batch: whether it must take any batch size.
        tools: versions of the framework's packages that made it.

    Raises:
        ConfigurationError: `dynamic_batch` is asked for and the model has a fixed batch size. The exporter fixes it,
            without a word, where the model's own code does.
    """
    import onnx
    import onnxruntime

    inputs, outputs = onnx_signatures(read_onnx(path))
    fixed = [tensor for tensor in (*inputs, *outputs) if tensor.shape[:1] != [BATCH]]
    if dynamic_batch and fixed:
        raise ConfigurationError(
            f"the model can't take any batch size: its {fixed[0].name} has the shape {fixed[0].shape}. Its code must"
            " not fix the batch size, as reshape(2, 4) does where reshape(-1, 4) would do; or set"
            " export.dynamicBatch to false"
        )
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return Converted(FORMAT, FILE, inputs, outputs, tools | versions)
