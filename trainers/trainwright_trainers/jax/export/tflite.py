"""TFLite, by way of a SavedModel and TensorFlow's own converter (https://ai.google.dev/edge/litert)."""

from pathlib import Path
from tempfile import TemporaryDirectory

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.chain.tflite_files import FILE, describe_tflite, refuse_any_batch
from trainwright_trainers.jax.artifacts import load_model
from trainwright_trainers.jax.export.saved_model import tools, write_saved_model
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

PLATFORMS = ("cpu",)
"""The converter takes a program for one platform only."""


def convert_to_tflite(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory` as a TFLite model, for one sample at a time.

    Raises:
        ConfigurationError: any batch size is asked for, or the model can't be converted, or TensorFlow is not
            installed.
    """
    refuse_any_batch(dynamic_batch)
    model = load_model(source.artifact, source.factory)
    with TemporaryDirectory() as scratch:
        write_saved_model(model, Path(scratch), dynamic_batch=False, platforms=PLATFORMS)
        (directory / FILE).write_bytes(_converted(scratch))
    return describe_tflite(directory / FILE, tools())


def _converted(saved_model: str) -> bytes:
    import tensorflow as tf

    try:
        with quiet():
            made: bytes = tf.lite.TFLiteConverter.from_saved_model(saved_model).convert()
            return made
    except Exception as error:  # the converter's passes raise what they like
        reason = str(error).strip().partition("\n")[0]
        raise ConfigurationError(f"export.format: this model can't be converted to TFLite: {reason}") from error
