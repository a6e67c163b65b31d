"""Symbols with their parameters as something that can be measured: MXNet runs them without the model's code."""

from collections.abc import Iterator
from typing import Any

import mxnet as mx
from mxnet import gluon

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import Predict, Subject
from trainwright_trainers.mxnet.networks import ERRORS, in_a_line
from trainwright_trainers.mxnet.tensors import as_nd
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError

FORMAT = "mxnet-symbol"
SYMBOL, PARAMETERS = "model-symbol.json", "model-0000.params"
RANGES = ("_min", "_max")
"""Ends of the names of a quantized model's ranges, which are no weights."""


def symbol_subject(artifact: Artifact) -> Subject:
    """The artifact's symbol and parameters, to be measured.

    Raises:
        ArtifactError: they are none that MXNet reads.
    """
    block = open_symbol(artifact)
    return Subject(
        open=lambda _threads: predict_by(block), weights=lambda: _weights(block), size_bytes=artifact.size_bytes
    )


def open_symbol(artifact: Artifact) -> Any:
    """The artifact as a gluon.SymbolBlock on the CPU."""
    try:
        return gluon.SymbolBlock.imports(
            str(artifact.file(SYMBOL)), ["data"], str(artifact.file(PARAMETERS)), ctx=mx.cpu()
        )
    except ERRORS as error:
        raise ArtifactError(f"{artifact.directory} holds no symbol that MXNet reads: {in_a_line(error)}") from error


def predict_by(block: Any) -> Predict:
    """A block as a function of arrays."""

    def predict(batch: Array) -> Array:
        outputs: Array = block(as_nd(batch)).asnumpy().astype("float32")
        return outputs

    return predict


def _weights(block: Any) -> Iterator[Array]:
    for name, parameter in block.collect_params().items():
        if not name.endswith(RANGES) and "running_" not in name:
            yield parameter.data().asnumpy()
