"""The job's Gluon model, and its parameters by kind."""

from typing import Any

import mxnet as mx
import numpy as np
from mxnet import gluon

from trainwright.api.steps import Factory
from trainwright_trainers.data import Array
from trainwright_trainers.mxnet.tensors import as_nd
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.factories import make

ERRORS = (mx.base.MXNetError, TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError)
"""What MXNet raises for shapes and types that don't fit."""


def make_network(factory: Factory, field: str, sample: Array, device: Any = None) -> Any:
    """The model, made by the factory that the user names, hybridized, with parameters for such a batch of inputs.

    Parameters that the factory has not initialized get Xavier's weights.

    Args:
        factory: the callable and its arguments.
        field: where the user wrote it, such as `spec.model`.
        sample: some inputs, [n, ...].
        device: the mxnet.Context of its parameters; the CPU when None.

    Raises:
        ConfigurationError: the factory can't be called, returns something that is not a model, or the model can't take
            such inputs.
    """
    model = make(factory, field)
    if not isinstance(model, gluon.HybridBlock):
        raise ConfigurationError(
            f"{field}.factory: {factory.factory} must return a mxnet.gluon.HybridBlock, it returned"
            f" {type(model).__name__}"
        )
    own = model.collect_params()
    for parameter in own.values():
        if parameter._data is None and not parameter._deferred_init:
            parameter.initialize(ctx=device or mx.cpu(), default_init=mx.init.Xavier())
    own.reset_ctx(device or mx.cpu())
    model.hybridize()
    try:
        model(as_nd(np.zeros_like(sample[:1]), device)).wait_to_read()
    except ERRORS as error:
        raise ConfigurationError(
            f"{field} can't take a batch of spec.data, {list(sample.shape)} {sample.dtype}: {in_a_line(error)}"
        ) from error
    return model


def in_a_line(error: Exception) -> str:
    """The words of one of MXNet's errors without its stack trace."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Stack trace")]
    told = next((line for line in lines if "Error" in line or "Check failed" in line), lines[0] if lines else "")
    return told.strip() or type(error).__name__


def kept(model: Any) -> dict[str, Any]:
    """The NDArrays that make the model what it is, by where they are in it.

    Gluon's own names count the layers that a process has made, so they differ between processes.
    """
    named = model._collect_params_with_prefix().items()
    return {f"{'parameters' if p._differentiable else 'state'}/{name}": p.data() for name, p in named}


def trained(model: Any) -> list[Any]:
    """The gluon.Parameters that training changes."""
    return [p for p in model._collect_params_with_prefix().values() if p.grad_req != "null"]


def statistics(model: Any) -> list[Any]:
    """The running statistics of batch normalization, as NDArrays."""
    return [values for name, values in kept(model).items() if name.startswith("state/")]
