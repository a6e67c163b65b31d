"""Small numbers for LiteRT, by TensorFlow's own converter.

Source: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quantization
"""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from trainwright_trainers.chain.scheme import Task
from trainwright_trainers.chain.source import Converted
from trainwright_trainers.chain.tflite_files import FILE, describe_tflite
from trainwright_trainers.data import Array, batches
from trainwright_trainers.evaluation import compare_exactly
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.evaluation.tflite import open_tflite
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.export.tflite import TOOLS, export_tflite
from trainwright_trainers.tensorflow.predictors import subject_of


def quantize_static(task: Task) -> Converted:
    """All of the model in INT8, its input and output too, with ranges from the calibration samples.

    Nothing in it needs floats, as microcontrollers demand. The artifact says what the integers stand for.

    Raises:
        ConfigurationError: an operation of the model has no form in INT8.
    """
    return _quantize(
        task,
        representative_dataset=lambda: _samples(task),
        target_spec=tf.lite.TargetSpec(supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8]),
        **({"inference_input_type": tf.int8} if task.source.sample.dtype.kind == "f" else {}),
        inference_output_type=tf.int8,
    )


def quantize_dynamic(task: Task) -> Converted:
    """Weights in INT8; activations' scales are found anew at each run."""
    return _quantize(task)


def halve(task: Task) -> Converted:
    """Weights in half precision, computation in single precision where the machine has nothing better."""
    return _quantize(task, target_spec=tf.lite.TargetSpec(supported_types=[tf.float16]))


def _quantize(task: Task, **options: Any) -> Converted:
    """Convert the artifact to TFLite, which must give the same outputs, and once more with the converter's options.

    Raises:
        ConfigurationError: the artifact is no Keras model, or the converter can't follow it.
        ParityError: the float TFLite model is not the artifact's.
    """
    source, float_model = task.source, task.scratch / FILE
    model = load_model(source.artifact, source.factory)
    export_tflite(model, source.sample, float_model)
    before = subject_of(source.artifact, source.factory).open(1)
    compare_exactly(before, open_tflite(float_model, 1), source.splits.validation)
    export_tflite(model, source.sample, task.draft / FILE, optimizations=[tf.lite.Optimize.DEFAULT], **options)
    return describe_tflite(task.draft / FILE, TOOLS)


def _samples(task: Task) -> Iterator[list[Array]]:
    """The calibration inputs one by one, as the converter takes them."""
    return ([model_input(inputs)] for inputs, _ in batches(task.calibration, 1))
