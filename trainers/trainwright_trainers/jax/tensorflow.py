"""TensorFlow in a JAX trainer's process: for what it converts or opens, and no sooner."""

import contextlib
import os

from trainwright_trainers.evaluation.measure import usable_threads
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet


def use_tensorflow() -> None:
    """Import TensorFlow, without a word, for the CPU alone.

    Raises:
        ConfigurationError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
    try:
        with quiet():
            import tensorflow as tf
    except ImportError as error:
        raise ConfigurationError(
            f"SavedModel and TFLite need the extra trainwright[jax-tensorflow] in the trainer's image: {error}"
        ) from error
    with contextlib.suppress(RuntimeError):  # once it has computed, it is as it is
        tf.config.set_visible_devices([], "GPU")  # their memory is JAX's
        tf.config.threading.set_intra_op_parallelism_threads(usable_threads())
