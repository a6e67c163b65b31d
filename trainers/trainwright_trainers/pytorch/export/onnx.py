"""ONNX, by PyTorch's own exporter (https://docs.pytorch.org/docs/stable/onnx_export.html)."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import BATCH, FORMAT, onnx_signatures, read_onnx
from trainwright_trainers.pytorch.artifacts import input_name, load_model
from trainwright_trainers.pytorch.chain import Converted, Source
from trainwright_trainers.pytorch.export.signatures import example_batch
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

if TYPE_CHECKING:
    import onnx

FILE = "model.onnx"


def convert_to_onnx(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory` as an ONNX model of one file.

    An artifact that is ONNX already, such as a quantized one, stays what it is; only its batch size may be fixed.

    Raises:
        ConfigurationError: the model can't be converted, or can't take any batch size.
    """
    target = directory / FILE
    if source.artifact.description.format == FORMAT:
        shutil.copyfile(source.artifact.file(".onnx"), target)
        if not dynamic_batch:
            fix_batch(target)
    else:
        export_onnx(load_model(source.artifact, source.factory), source.sample, target, dynamic_batch)
    return describe_onnx(target, dynamic_batch)


def export_onnx(model: nn.Module, sample: Array, target: Path, dynamic_batch: bool, name: str | None = None) -> None:
    """Export a model in evaluation mode on the CPU, for batches of any size or for single samples.

    Args:
        model: the model.
        sample: one input, [1, ...].
        target: the file.
        dynamic_batch: whether any batch size must do.
        name: what its input is called; as the argument of its forward pass when None.

    Raises:
        ConfigurationError: the exporter can't follow the model.
    """
    example = example_batch(sample, dynamic_batch)
    try:
        with quiet():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim(BATCH)},) if dynamic_batch else None,
                input_names=[name or input_name(model)],
                output_names=["output"],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise ConfigurationError(f"export.format: this model can't be converted to ONNX: {reason}") from error
    assert program is not None
    save_without_origins(program.model_proto, target)


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


def describe_onnx(path: Path, dynamic_batch: bool) -> Converted:
    """What stands in an .onnx file.

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
    tools = {"torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return Converted(FORMAT, FILE, inputs, outputs, tools)
