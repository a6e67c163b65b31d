"""Follows a Keras model through its graph of layers, to find which dimensions run along the same channels."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers
from keras.src.models.functional import (
    Functional,  # the class of keras.Model(inputs, outputs), which has no public name
)

from trainwright_trainers.chain.axes import Dimension, Shape, axes, fix, join, reshaped
from trainwright_trainers.chain.channels import Layer

Sizes = tuple[int, ...]


def graph_of(model: Any) -> Any:
    """The model's graph of layers; none where its class computes with code of its own."""
    if type(model) is keras.Sequential:
        return model._functional
    return model if type(model) is Functional else None


class Follower:
    """Follows one model.

    Attributes:
        shapes: of the model's arrays, by name.
        layers: by those arrays that are weights of linear or convolutional layers.
    """

    def __init__(self, variables: dict[str, Any]) -> None:
        self.shapes = {name: Shape.new(variable.shape) for name, variable in variables.items()}
        self.layers: dict[str, Layer] = {}
        self._names = {id(variable): name for name, variable in variables.items()}

    def follow(self, model: Any, inputs: Sequence[Shape]) -> list[Shape]:
        """The outputs of a model that has a graph.

        A batch is taken to have one sample, and so are other dimensions whose size is not known.
        """
        graph = graph_of(model)
        known = dict(zip(map(id, graph.inputs), inputs, strict=True))
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if not node.is_input:
                    given = [known[id(tensor)] for tensor in node.input_tensors]
                    known.update(zip(map(id, node.outputs), self._step(node, given), strict=True))
        return [known[id(tensor)] for tensor in graph.outputs]

    def of(self, variable: Any) -> Shape:
        """The dimensions of a layer's variable."""
        return self.shapes[self._names[id(variable)]]

    def note(self, kernel: Any, inputs: Dimension, outputs: Dimension) -> None:
        """Note the weights of a linear or convolutional layer."""
        for window in self.of(kernel).dimensions[:-2]:
            fix(window)
        layer = self.layers.setdefault(self._names[id(kernel)], Layer())
        layer.inputs.extend(axes(inputs))
        layer.outputs.extend(axes(outputs))

    def _step(self, node: Any, inputs: list[Shape]) -> list[Shape]:
        """The outputs of one layer or operation."""
        operation = node.operation
        if graph_of(operation) is not None:
            if type(operation) is Functional:  # the sizes that it takes stand in it
                for shape in inputs:
                    shape.fix()
            return self.follow(operation, inputs)
        sizes = [tuple(size or 1 for size in tensor.shape) for tensor in node.outputs]
        rule = RULES.get(type(operation), elementwise if _is_pointwise(node) else None)
        if rule is not None and len(sizes) == 1 and (output := rule(self, operation, inputs, sizes[0])) is not None:
            return [output]
        for shape in inputs:
            shape.fix()
        return [Shape.new(size, fixed=True) for size in sizes]


Rule = Callable[[Follower, Any, list[Shape], Sizes], Shape | None]
"""(follower, layer, its inputs, sizes of its output) -> its output; none when it can't be followed."""


def elementwise(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape | None:  # noqa: ARG001
    """Each value is computed from the values at its place; a dimension of size 1 goes with any other."""
    dimensions: list[Dimension] = [[] for _ in sizes]
    for shape in inputs:
        first = len(sizes) - len(shape.dimensions)
        for place, dimension in enumerate(shape.dimensions, start=first):
            if dimensions[place]:
                join(dimensions[place], dimension)
            else:
                dimensions[place] = dimension
    return activated(layer, Shape(dimensions))


def activated(layer: Any, output: Shape) -> Shape:
    """An activation may go over all channels at once."""
    if getattr(layer, "activation", None) in MIXING:
        output.fix()
    return output


def dense(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape:  # noqa: ARG001
    """A kernel [inputs, outputs] along the last dimension."""
    kernel = follower.of(layer.kernel)
    join(inputs[0][-1], kernel[0])
    follower.note(layer.kernel, kernel[0], kernel[1])
    return _biased(follower, layer, Shape([*inputs[0].dimensions[:-1], kernel[1]]), -1)


def convolution(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape | None:
    """A kernel [..., inputs, outputs]; the other way round in a transposed convolution."""
    if getattr(layer, "groups", 1) != 1:
        return None
    kernel = follower.of(layer.kernel)
    taken, made = (-1, -2) if isinstance(layer, TRANSPOSED) else (-2, -1)
    channel = _channel(layer)
    join(inputs[0][channel], kernel[taken])
    follower.note(layer.kernel, kernel[taken], kernel[made])
    output = spatial(follower, layer, inputs, sizes)
    output.dimensions[channel] = kernel[made]
    return _biased(follower, layer, output, channel)


def depthwise(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape | None:
    """A kernel [..., channels, 1]: each channel stays in its place."""
    if layer.depth_multiplier != 1:
        return None
    kernel, channel = follower.of(layer.kernel), _channel(layer)
    join(inputs[0][channel], kernel[-2])
    follower.note(layer.kernel, [], kernel[-2])
    return _biased(follower, layer, spatial(follower, layer, inputs, sizes), channel)


def batch_normalization(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape:  # noqa: ARG001
    """Each channel has numbers of its own."""
    for variable in layer.variables:
        join(inputs[0][layer.axis], follower.of(variable)[0])
    return inputs[0]


def spatial(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape:  # noqa: ARG001
    """Whatever happens along the image's sides, each channel stays in its place."""
    channel = _channel(layer) % len(inputs[0].dimensions)
    for place, dimension in enumerate(inputs[0].dimensions):
        if place not in (0, channel):
            fix(dimension)
    output = Shape.new(sizes, fixed=True)
    output.dimensions[channel if len(sizes) == len(inputs[0].dimensions) else 1] = inputs[0][channel]
    return output


def flattened(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape:  # noqa: ARG001
    """All in one dimension, the channels last."""
    dimensions = inputs[0].dimensions
    if layer.data_format == "channels_first" and len(dimensions) > 2:
        dimensions = [dimensions[0], *dimensions[2:], dimensions[1]]
    return reshaped(Shape(dimensions), sizes)


def reformed(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape:  # noqa: ARG001
    """Sizes that stand in the layer's configuration can't change."""
    output = reshaped(inputs[0], sizes)
    for dimension, size in zip(output.dimensions[1:], layer.target_shape, strict=True):
        if size != -1:
            fix(dimension)
    return output


def permuted(follower: Follower, layer: Any, inputs: list[Shape], sizes: Sizes) -> Shape:  # noqa: ARG001
    """Dimensions in another order; they count from 1, as the first one is the batch."""
    return Shape([inputs[0][place] for place in (0, *layer.dims)])


def _biased(follower: Follower, layer: Any, output: Shape, channel: int) -> Shape:
    if layer.bias is not None:
        join(output[channel], follower.of(layer.bias)[0])
    return activated(layer, output)


def _channel(layer: Any) -> int:
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def _is_pointwise(node: Any) -> bool:
    """Whether it is an operation such as `x + y`, which a graph has beside its layers, on nothing but its tensors."""
    kind = type(node.operation)
    arrays = [value for value in keras.tree.flatten((node.arguments.args, node.arguments.kwargs)) if _has_sizes(value)]
    pointwise = kind.__module__.startswith("keras.src.ops.") and kind.__name__ in POINTWISE
    return pointwise and len(arrays) == len(node.input_tensors)


def _has_sizes(value: Any) -> bool:
    return len(getattr(value, "shape", ())) > 0


MIXING = (keras.activations.softmax, keras.activations.log_softmax, keras.activations.glu, keras.activations.sparsemax)
"""Activations that go over all channels at once."""
POINTWISE = frozenset(
    (
        *("Absolute", "Add", "Clip", "Divide", "Elu", "Exp", "Gelu", "HardSigmoid", "HardSilu", "LeakyRelu", "Log"),
        *("Maximum", "Minimum", "Multiply", "Negative", "Relu", "Relu6", "Selu", "Sigmoid", "Silu", "Softplus"),
        *("Softsign", "Sqrt", "Square", "Subtract", "Tanh", "TrueDivide"),
    )
)
"""Operations, by the names of their classes in keras.ops."""
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)

RULES: dict[type, Rule] = {
    layers.Dense: dense,
    layers.BatchNormalization: batch_normalization,
    layers.Flatten: flattened,
    layers.Reshape: reformed,
    layers.Permute: permuted,
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D, *TRANSPOSED), convolution),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), depthwise),
    **dict.fromkeys(
        (
            *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity, layers.Rescaling),
            *(layers.Dropout, layers.GaussianDropout, layers.GaussianNoise, layers.AlphaDropout),
            *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
            *(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum),
        ),
        elementwise,
    ),
    **dict.fromkeys(
        [
            getattr(layers, f"{name}{rank}D")
            for name in (
                *("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling"),
                *("UpSampling", "ZeroPadding", "Cropping"),
            )
            for rank in (1, 2, 3)
        ],
        spatial,
    ),
}
"""By kind of layer. All others fix what they touch."""
