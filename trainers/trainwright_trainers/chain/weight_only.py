"""Weights in INT8, computation in floats: a file of a quarter of the size for any ONNX runtime."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from trainwright_trainers.chain.float_weights import Weight, float_weights
from trainwright_trainers.chain.onnx_files import FILE, describe_onnx
from trainwright_trainers.chain.scheme import Task
from trainwright_trainers.chain.source import Converted
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import read_onnx

LARGEST = 127
"""The largest magnitude that a weight becomes."""
SMALLEST_SIZE = 64
"""Weights below this count stay as they are: their scales and operators would take as much room."""


def quantize_weights(task: Task) -> Converted:
    """Store each matrix and kernel in INT8, each output channel with its own scale.

    Cast and Mul make floats of them, where the QDQ form would have DequantizeLinear: ONNX Runtime works these two out
    once, when the model is loaded, but leaves DequantizeLinear to every run.
    """
    float_model = task.float_onnx()
    model = read_onnx(task.scratch / float_model.file)
    nodes = []
    for weight in [weight for weight in float_weights(model) if weight.size >= SMALLEST_SIZE]:
        values, name = numpy_helper.to_array(weight.tensor), weight.tensor.name
        integers, scale = to_int8(values, output_dimension(weight))
        model.graph.initializer.remove(weight.tensor)
        model.graph.initializer.extend(
            [numpy_helper.from_array(integers, f"{name}_int8"), numpy_helper.from_array(scale, f"{name}_scale")]
        )
        nodes += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    operators = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *operators])
    onnx.save(model, task.draft / FILE)
    return describe_onnx(task.draft / FILE, dynamic_batch=True, tools=float_model.tools)


def output_dimension(weight: Weight) -> int:
    """The dimension of a weight that runs over its operator's outputs; that of its rows for an embedding."""
    match weight.operator.op_type:
        case "MatMul":
            return len(weight.tensor.dims) - 1
        case "Gemm":
            transposed = any(attribute.name == "transB" and attribute.i for attribute in weight.operator.attribute)
            return 0 if transposed else 1
        case "ConvTranspose":
            return 1
    return 0


def to_int8(values: Array, dimension: int) -> tuple[Array, Array]:
    """Integers and scales of the same number of dimensions, such that integers x scales are nearest to the values."""
    others = tuple(other for other in range(values.ndim) if other != dimension)
    scale = np.abs(values).max(axis=others, keepdims=True) / LARGEST
    scale[scale == 0] = 1
    return np.round(values / scale).astype(np.int8), scale.astype(np.float32)
