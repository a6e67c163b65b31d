"""Where an ONNX model has its float weights."""

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import onnx


class Weight(NamedTuple):
    """One matrix or kernel of weights."""

    tensor: "onnx.TensorProto"
    operator: "onnx.NodeProto"
    """The first operator that takes it."""
    size: int


def float_weights(model: "onnx.ModelProto") -> Iterator[Weight]:
    """The model's float32 constants of two dimensions or more, each once, with the first operator that takes it."""
    import onnx

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        for name in node.input:
            tensor = constants.get(name)
            if tensor is not None and tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
                del constants[name]
                yield Weight(tensor, node, prod(tensor.dims))


def weights_by_operator(model: "onnx.ModelProto") -> Counter[str]:
    """How many float weights each kind of operator has."""
    counts: Counter[str] = Counter()
    for weight in float_weights(model):
        counts[weight.operator.op_type] += weight.size
    return counts
