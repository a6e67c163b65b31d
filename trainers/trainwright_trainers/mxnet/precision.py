"""The number format that training computes in."""

from typing import Any

import mxnet as mx
from mxnet import autograd, gluon
from mxnet.contrib import amp

from trainwright.api.steps import Precision
from trainwright_trainers.mxnet.networks import ERRORS, in_a_line
from trainwright_trainers.runtime.errors import ConfigurationError

TYPES: dict[Precision, str] = {"bf16": "bfloat16"}
"""MXNet's name of each precision that is not fp32."""


def narrowed(model: Any, precision: Precision, sample: Any, field: str, model_field: str) -> Any:
    """What training computes with: the model itself in fp32, else a block over the model's own parameters.

    That block is the model's graph with casts around the operations that MXNet computes in the narrow format
    (https://mxnet.apache.org/versions/1.9.1/api/python/docs/tutorials/performance/backend/amp). Its outputs, the
    parameters with their gradients, and the running statistics are float32.

    Args:
        model: as `make_network` makes it.
        precision: the format.
        sample: some inputs, an NDArray [n, ...] on the model's device.
        field: where the user wrote the precision, such as `spec.steps[train].train.precision`.
        model_field: where the user wrote the model, such as `spec.model`.

    Raises:
        ConfigurationError: MXNet can't train in that format, or not this model, or not on this device.
    """
    if precision == "fp32":
        return model
    if precision not in TYPES:
        raise ConfigurationError(f"{field}: MXNet trains in fp32 or bf16, not in {precision}")
    if not _is_its_graph(type(model)):
        raise ConfigurationError(
            f"{field}: {precision} needs the model's whole graph; {type(model).__name__}, which {model_field} makes,"
            " must define hybrid_forward and leave forward and __call__ as Gluon's HybridBlock has them"
        )
    try:
        block = _converted(model, TYPES[precision], sample.dtype)
        _try(block, sample)
    except ERRORS as error:
        raise ConfigurationError(
            f"{field}: MXNet can't train {model_field} in {precision} on {sample.context}: {in_a_line(error)}; use fp32"
            " (MXNet has bf16 for most layers, on CPUs with AVX-512)"
        ) from error
    return block


def _is_its_graph(kind: type) -> bool:
    """Whether what a block of this class does is all in its graph."""
    plain = kind.__call__ is gluon.HybridBlock.__call__
    return plain and kind.forward in (gluon.HybridBlock.forward, gluon.SymbolBlock.forward)  # type: ignore[attr-defined]


def _converted(model: Any, narrow: str, inputs_type: Any) -> Any:
    """The model's graph in the narrow format, as a block; `amp.init` would change MXNet for the whole process."""
    (data,), graph = model._cached_graph
    graph = amp.convert_symbol(graph, target_dtype=narrow, data_names=[data.name])
    block = gluon.SymbolBlock(graph, mx.sym.var(data.name, dtype=inputs_type), params=model.collect_params())
    block.hybridize()
    return block


def _try(block: Any, sample: Any) -> None:
    """Go forward and backward once, without a change of the running statistics."""
    with autograd.record(train_mode=False):
        outputs = block(sample)
    outputs.backward(train_mode=False)
    mx.nd.waitall()
