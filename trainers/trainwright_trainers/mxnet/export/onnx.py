"""ONNX, by MXNet's own exporter (https://mxnet.apache.org/versions/1.9.1/api/python/docs/tutorials/deploy/export/onnx)."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mxnet as mx
import onnx

from trainwright_trainers.chain.onnx_files import FILE, convert_onnx, describe_onnx
from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import BATCH, FORMAT
from trainwright_trainers.mxnet.artifacts import example, load_model
from trainwright_trainers.mxnet.export.symbol import write_symbol
from trainwright_trainers.mxnet.networks import ERRORS, in_a_line
from trainwright_trainers.mxnet.programs import PARAMETERS, SYMBOL
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

OPSET = 13
"""The operators that the exporter writes; it labels them with whatever the installed onnx calls its newest."""
TOOLS = {"mxnet": mx.__version__}


def convert_to_onnx(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory` as an ONNX model of one file.

    An artifact that is ONNX already, such as a quantized one, stays what it is; only its batch size may be fixed.

    Raises:
        ConfigurationError: the model can't be converted, or can't take any batch size.
    """
    target, description = directory / FILE, source.artifact.description
    if description.format == FORMAT:
        convert_onnx(source, target, dynamic_batch)
    else:
        export_onnx(load_model(source.artifact, source.factory), example(description), target, dynamic_batch)
    return describe_onnx(target, dynamic_batch, TOOLS)


def export_onnx(model: Any, sample: Array, target: Path, dynamic_batch: bool) -> None:
    """Export a model for batches of any size or for single samples.

    Args:
        model: the block.
        sample: a batch of one of what it takes.
        target: the file.
        dynamic_batch: whether any batch size must do.

    Raises:
        ConfigurationError: the exporter can't follow the model.
    """
    any_size = {"dynamic": True, "dynamic_input_shapes": [(BATCH, *sample.shape[1:])]} if dynamic_batch else {}
    with TemporaryDirectory() as scratch, quiet():
        write_symbol(model, sample, Path(scratch))
        files = (str(Path(scratch) / name) for name in (SYMBOL, PARAMETERS))
        try:
            mx.onnx.export_model(*files, [sample.shape], [sample.dtype.type], str(target), **any_size)
        except ERRORS as error:
            raise ConfigurationError(
                f"export.format: this model can't be converted to ONNX: {in_a_line(error)}"
            ) from error
    onnx.save(tidied(onnx.load(str(target)), dynamic_batch), str(target))


def tidied(made: Any, dynamic_batch: bool) -> Any:
    """The exporter's model with the right label, its constants no inputs, and the usual names of input and output."""
    graph = made.graph
    made.opset_import[0].version = OPSET
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
    names = {graph.input[0].name: "input", graph.output[0].name: "output"}
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
    for node in graph.node:
        for part in (node.input, node.output):
            part[:] = [names.get(name, name) for name in part]
    size = graph.output[0].type.tensor_type.shape.dim
    if dynamic_batch and size:
        size[0].dim_param = BATCH
    return made
