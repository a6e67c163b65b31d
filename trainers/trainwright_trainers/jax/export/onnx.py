"""ONNX, by jax2onnx (https://github.com/enpasos/jax2onnx)."""

from importlib.metadata import version
from pathlib import Path

import jax

from trainwright_trainers.chain.onnx_files import FILE, convert_onnx, describe_onnx, save_without_origins
from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.evaluation.onnx import BATCH, FORMAT
from trainwright_trainers.jax.artifacts import Model, load_model
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet


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
        export_onnx(load_model(source.artifact, source.factory), target, dynamic_batch)
    return describe_onnx(target, dynamic_batch, TOOLS)


TOOLS = {"jax": jax.__version__, "jax2onnx": version("jax2onnx")}


def export_onnx(model: Model, target: Path, dynamic_batch: bool) -> None:
    """Export a model for batches of any size or for single samples.

    Raises:
        ConfigurationError: the converter can't follow the model.
    """
    with quiet():
        from jax2onnx import to_onnx  # slow to import

        try:
            made = to_onnx(
                model.run,
                [(BATCH if dynamic_batch else 1, *model.sample.shape[1:])],
                input_names=["input"],
                output_names=["output"],
            )
        except Exception as error:  # the converter raises whatever its plugins do
            reason = str(error).strip().partition("\n")[0]
            raise ConfigurationError(f"export.format: this model can't be converted to ONNX: {reason}") from error
    made.graph.ClearField("value_info")  # it notes shapes of before it moved the channels, which ONNX then refuses
    save_without_origins(made, target)
