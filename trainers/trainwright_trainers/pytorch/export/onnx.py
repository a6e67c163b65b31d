"""ONNX, by PyTorch's own exporter (https://docs.pytorch.org/docs/stable/onnx_export.html)."""

from pathlib import Path

import torch
from torch import nn

from trainwright_trainers.chain.onnx_files import FILE, convert_onnx, describe_onnx, save_without_origins
from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import BATCH, FORMAT
from trainwright_trainers.pytorch.artifacts import input_name, load_model
from trainwright_trainers.pytorch.export.signatures import example_batch
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

TOOLS = {"torch": str(torch.__version__)}
"""What exports, beside ONNX's own packages."""


def convert_to_onnx(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory` as an ONNX model of one file.

    An artifact that is ONNX already, such as a quantized one, stays what it is; only its batch size may be fixed.

    Raises:
        ConfigurationError: the model can't be converted, or can't take any batch size.
    """
    target = directory / FILE
    if source.artifact.description.format == FORMAT:
        convert_onnx(source, target, dynamic_batch)
    else:
        export_onnx(load_model(source.artifact, source.factory), source.sample, target, dynamic_batch)
    return describe_onnx(target, dynamic_batch, TOOLS)


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
