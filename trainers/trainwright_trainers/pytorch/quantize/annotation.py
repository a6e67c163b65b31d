"""Where torchao quantizes a model, so that ONNX Runtime computes with integers all that lies between.

torchao's own quantizers do this for PyTorch's compiler, which computes a convolution, a sum and an activation as one.
ONNX Runtime computes each of them, and with integers only where everything that goes in and comes out is quantized.

Source: https://docs.pytorch.org/ao/stable/pt2e_quantization/pt2e_quantizer.html
"""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import HistogramObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    Quantizer,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

aten: Any = torch.ops.aten
PRODUCTS = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, aten.linear.default)
"""Of an activation and a weight, and perhaps with a bias."""
SUMS = (aten.add.Tensor, aten.add_.Tensor)
MAXIMA = (aten.max_pool1d.default, aten.max_pool2d.default, aten.max_pool3d.default)
"""What comes out of them is some of what goes in."""
CLIPPING = (aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default)
"""Activations that rounding to unsigned integers takes in."""
SMALLEST_SCALE = 2**-12
"""As torchao's own quantizers have it."""
ACTIVATION = QuantizationSpec(
    torch.uint8, HistogramObserver.with_args(eps=SMALLEST_SCALE), 0, 255, torch.per_tensor_affine
)
WEIGHT = QuantizationSpec(
    torch.int8,
    PerChannelMinMaxObserver.with_args(eps=SMALLEST_SCALE),
    -64,
    64,
    torch.per_channel_symmetric,
    ch_axis=0,
)
"""Of seven bits: CPUs without VNNI add two products with activations up in 16."""


class OnnxRuntimeQuantizer(Quantizer):  # type: ignore[misc]
    """Has convolutions and linear layers quantized, and sums and maxima of what they give."""

    def annotate(self, model: GraphModule) -> GraphModule:
        """Note at each of these operators how what goes in and comes out is quantized."""
        for node in model.graph.nodes:
            operands = node.all_input_nodes
            if node.target in PRODUCTS and node.args[1].op == "get_attr":
                note_product(node, *node.args[:3])
            elif node.target in SUMS and len(operands) == 2 and any(map(is_quantized, operands)):
                note(node, dict.fromkeys(operands, ACTIVATION))
                note_output(node)
            elif node.target in MAXIMA and is_quantized(operands[0]):
                note(node, {operands[0]: ACTIVATION}, SharedQuantizationSpec((operands[0], node)))
        return model

    def validate(self, model: GraphModule) -> None:
        """Every program will do."""


def note_product(node: Node, source: Node, weight: Node, bias: Node | None = None) -> None:
    """Note how a convolution or linear layer is quantized; its bias as the sums of products that it joins.

    In a transformer's linear layers, which see a batch of sequences, the bias is an operator of its own in ONNX, which
    ONNX Runtime computes along with the activation or the shortcut that follows, in floats.
    """
    inputs: dict[Node, QuantizationSpecBase] = {source: ACTIVATION, weight: WEIGHT}
    note(node, inputs)
    if node.target is aten.linear.default and node.meta["val"].ndim > 2:
        return
    if bias is not None:
        inputs[bias] = DerivedQuantizationSpec(
            [(source, node), (weight, node)],
            bias_scale,
            torch.int32,
            torch.iinfo(torch.int32).min,
            torch.iinfo(torch.int32).max,
            torch.per_channel_symmetric,
            ch_axis=0,
        )
    note_output(node)


def bias_scale(observers: list[Any]) -> tuple[Tensor, Tensor]:
    """Scale and zero point of a bias, both [channels], from the observers of the activation and the weight."""
    (activation, _), (weight, _) = (observer.calculate_qparams() for observer in observers)
    return activation * weight, torch.zeros(weight.shape, dtype=torch.int32)


def note(node: Node, inputs: dict[Node, QuantizationSpecBase], output: QuantizationSpecBase | None = None) -> None:
    """Note at an operator how its inputs and its output are quantized."""
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(inputs, output, _annotated=True)


def note_output(node: Node) -> None:
    """Have an operator's output quantized, after the activation that follows; the model's own stays in floats."""
    following = list(node.users)
    if len(following) == 1 and following[0].target in CLIPPING:
        note(following[0], {}, ACTIVATION)
    elif not any(user.op == "output" for user in following):
        node.meta[Q_ANNOTATION_KEY].output_qspec = ACTIVATION


def is_quantized(node: Node) -> bool:
    """Whether an operator's output is noted to be quantized."""
    annotation = node.meta.get(Q_ANNOTATION_KEY)
    return annotation is not None and annotation.output_qspec is not None
