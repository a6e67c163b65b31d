"""ONNX, by tf2onnx (https://github.com/onnx/tensorflow-onnx)."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainwright_trainers.chain.onnx_files import FILE, convert_onnx, describe_onnx, save_without_origins
from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import BATCH, FORMAT
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.serving import Program

TOOLS = {"tensorflow": tf.__version__, "tf2onnx": version("tf2onnx")}
OPSET = 18
"""The newest version of ONNX's operators that tf2onnx writes."""


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


def export_onnx(model: Any, sample: Array, target: Path, dynamic_batch: bool) -> None:
    """Export a model for batches of any size or for single samples.

    Raises:
        ConfigurationError: the converter can't follow the model.
    """
    with quiet():
        import tf2onnx

        try:
            function = Program(model, sample, dynamic_batch=dynamic_batch).function
            made, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
        except Exception as error:  # the converter raises whatever its handlers do
            reason = str(error).strip().partition("\n")[0]
            raise ConfigurationError(f"export.format: this model can't be converted to ONNX: {reason}") from error
    _name_batch(made)
    save_without_origins(made, target)


def _name_batch(model: Any) -> None:
    """Call the first dimension what every framework's does, where it has no size; the converter makes up a name."""
    for value in (*model.graph.input, *model.graph.output):
        first = value.type.tensor_type.shape.dim[:1]
        if first and first[0].HasField("dim_param"):
            first[0].dim_param = BATCH
    model.graph.ClearField("value_info")  # it has the made-up names
