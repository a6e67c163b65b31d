"""TFLite, by TensorFlow's own converter (https://ai.google.dev/edge/litert): one sample at a time."""

import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.chain.tflite_files import FILE, describe_tflite, refuse_any_batch
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.tflite import FORMAT
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.serving import Program

TOOLS = {"tensorflow": tf.__version__}


def convert_to_tflite(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory` as a TFLite model; a quantized one stays what it is.

    Raises:
        ConfigurationError: any batch size is asked for, or the model can't be converted.
    """
    refuse_any_batch(dynamic_batch)
    target = directory / FILE
    if source.artifact.description.format == FORMAT:
        shutil.copyfile(source.artifact.file(".tflite"), target)
    else:
        export_tflite(load_model(source.artifact, source.factory), source.sample, target)
    return describe_tflite(target, TOOLS)


def export_tflite(model: Any, sample: Array, target: Path, **options: Any) -> None:
    """Convert a model for one sample at a time.

    Args:
        model: the model.
        sample: one input, [1, ...].
        target: the file.
        options: what is set at the converter; nothing keeps the model in floats.

    Raises:
        ConfigurationError: the converter can't follow the model.
    """
    program = Program(model, sample, dynamic_batch=False)
    try:
        with quiet():
            function = program.function.get_concrete_function()
            converter = tf.lite.TFLiteConverter.from_concrete_functions([function], program)
            for name, value in options.items():
                setattr(converter, name, value)
            target.write_bytes(converter.convert())
    # the converter's passes raise what they like
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigurationError(f"this model can't be converted to TFLite: {reason}") from error
