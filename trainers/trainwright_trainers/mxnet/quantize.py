"""The `quantize` step: by ONNX, whose runtime quantizes it, or by MXNet's own quantize_net."""

import logging

import mxnet as mx
import numpy as np
from mxnet.contrib.quantization import quantize_net

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.quantizing import ONNXRUNTIME, quantize
from trainwright_trainers.chain.scheme import Scheme, Task
from trainwright_trainers.chain.source import Converted
from trainwright_trainers.data import batches
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.mxnet.artifacts import example, load_model
from trainwright_trainers.mxnet.export.onnx import convert_to_onnx
from trainwright_trainers.mxnet.export.symbol import write_symbol
from trainwright_trainers.mxnet.networks import ERRORS, in_a_line
from trainwright_trainers.mxnet.predictors import subject_of
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

BATCH_SIZE = 32
"""Samples a forward pass of the calibration."""


def quantize_static(task: Task) -> Converted:
    """Weights and activations in INT8 by oneDNN's operators: a symbol that MXNet alone can run.

    An activation's range is that of the smallest and largest value that it has on the calibration samples.

    Raises:
        ConfigurationError: MXNet can't quantize the model.
    """
    source = task.source
    inputs = np.concatenate([model_input(inputs) for inputs, _ in batches(task.calibration, BATCH_SIZE)])
    try:
        with quiet():
            made = quantize_net(
                load_model(source.artifact, source.factory),
                quantized_dtype="auto",
                calib_mode="naive",
                calib_data=mx.io.NDArrayIter(inputs, batch_size=min(BATCH_SIZE, len(inputs))),
                num_calib_examples=len(inputs),
                ctx=mx.cpu(),
                logger=logging.getLogger("mxnet"),
            )
    except ERRORS as error:
        raise ConfigurationError(f"quantize: MXNet can't quantize this model: {in_a_line(error)}") from error
    return write_symbol(made, example(source.artifact.description), task.draft)


BACKENDS: dict[str, dict[str, Scheme]] = {
    "onnxruntime": {"int8-static": ONNXRUNTIME["int8-static"]},
    "mxnet": {"int8-static": quantize_static},
}
"""By `quantize.backend` and `quantize.scheme`."""


def run(context: StepContext) -> StepResult:
    """Quantize the accepted artifact: a Gluon or float ONNX model to an ONNX model, or a Gluon model to a symbol."""
    return quantize(context, BACKENDS, convert_to_onnx, subject_of)
