"""Follows a program of JAX through its operations, to find which dimensions run along the same channels."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jax.extend.core import Literal

from trainwright_trainers.chain.axes import Shape, axes, fix, join, reshaped
from trainwright_trainers.chain.channels import Layer

ELEMENTWISE = frozenset(
    (
        *("abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil"),
        *("clamp", "convert_element_type", "copy", "cos", "cosh", "div", "eq", "erf", "erf_inv", "erfc", "exp"),
        *("exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p", "logistic", "lt"),
        *("max", "min", "mul", "name", "ne", "neg", "nextafter", "not", "or", "pow", "reduce_precision", "rem"),
        *("round", "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "stop_gradient", "sub", "tan"),
        *("tanh", "xor"),
    )
)
"""Operations that compute each value from the values at its place."""
REDUCTIONS = frozenset(
    ("argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum")
)
WINDOWS = frozenset(("reduce_window_max", "reduce_window_min", "reduce_window_sum"))
LOOPS = frozenset(("cond", "scan", "while"))
BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""Where an operation that only calls a program keeps it."""


class Follower:
    """Follows one program.

    Attributes:
        layers: by those inputs of the program that are weights of linear or convolutional layers.
    """

    def __init__(self) -> None:
        self.layers: dict[str, Layer] = defaultdict(Layer)

    def follow(self, program: Any, inputs: Mapping[str, Shape]) -> list[Shape]:
        """The outputs of a closed jaxpr.

        Args:
            program: the program.
            inputs: its inputs in their order, by name.
        """
        named = [replace(shape, weight=name) for name, shape in inputs.items()]
        return self._run(program.jaxpr, program.consts, named)

    def _run(self, jaxpr: Any, constants: Iterable[Any], inputs: Sequence[Shape]) -> list[Shape]:
        fixed = [Shape.new(getattr(constant, "shape", ()), fixed=True) for constant in constants]
        known = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*fixed, *inputs), strict=True))

        def read(value: Any) -> Shape:
            return Shape.new(np.shape(value.val), fixed=True) if isinstance(value, Literal) else known[value]

        for equation in jaxpr.eqns:
            outputs = self._step(equation, [read(value) for value in equation.invars])
            known.update(zip(equation.outvars, outputs, strict=True))
        return [read(value) for value in jaxpr.outvars]

    def _step(self, equation: Any, inputs: list[Shape]) -> list[Shape]:
        """The outputs of one operation."""
        name = equation.primitive.name
        body = next((equation.params[key] for key in BODIES if key in equation.params), None)
        if body is not None and name not in LOOPS:
            return self._run(getattr(body, "jaxpr", body), getattr(body, "consts", ()), inputs)
        if name == "dot_general":
            return [self._product(equation, *inputs)]
        if name == "conv_general_dilated":
            return [self._convolution(equation, *inputs)]
        if name in ELEMENTWISE:
            return [elementwise(equation, inputs)]
        if name in RULES:
            return [RULES[name](equation, inputs[0])]
        for shape in inputs:
            shape.fix()
        return [Shape.new(value.aval.shape, fixed=True) for value in equation.outvars]

    def _product(self, equation: Any, left: Shape, right: Shape) -> Shape:
        contracted, batch = equation.params["dimension_numbers"]
        for pairs in (contracted, batch):
            for one, other in zip(*pairs, strict=True):
                join(left[one], right[other])
        output = [left[place] for place in batch[0]]
        for shape, inputs, shared in zip((left, right), contracted, batch, strict=True):
            outputs = [place for place in range(len(shape.dimensions)) if place not in (*inputs, *shared)]
            self._note(shape, inputs, outputs)
            output += [shape[place] for place in outputs]
        return Shape(output)

    def _convolution(self, equation: Any, image: Shape, kernel: Shape) -> Shape:
        numbers = equation.params["dimension_numbers"]
        output = Shape.new(equation.outvars[0].aval.shape, fixed=True)
        if equation.params["feature_group_count"] != 1 or equation.params["batch_group_count"] != 1:
            image.fix()
            kernel.fix()
            return output
        for shape, places in ((image, numbers.lhs_spec[2:]), (kernel, numbers.rhs_spec[2:])):
            for place in places:
                fix(shape[place])
        join(image[numbers.lhs_spec[1]], kernel[numbers.rhs_spec[1]])
        self._note(kernel, [numbers.rhs_spec[1]], [numbers.rhs_spec[0]])
        output.dimensions[numbers.out_spec[0]] = image[numbers.lhs_spec[0]]
        output.dimensions[numbers.out_spec[1]] = kernel[numbers.rhs_spec[0]]
        return output

    def _note(self, shape: Shape, inputs: Iterable[int], outputs: Iterable[int]) -> None:
        if shape.weight is not None:
            layer = self.layers[shape.weight]
            layer.inputs.extend(axis for place in inputs for axis in axes(shape[place]))
            layer.outputs.extend(axis for place in outputs for axis in axes(shape[place]))


def elementwise(equation: Any, inputs: list[Shape]) -> Shape:
    """Numbers without dimensions go with any array; all other inputs have the same dimensions."""
    arrays = [shape for shape in inputs if shape.dimensions]
    if not arrays:
        return Shape([])
    first = arrays[0]
    for other in arrays[1:]:
        for one, another in zip(first.dimensions, other.dimensions, strict=True):
            join(one, another)
    return Shape(
        first.dimensions, first.weight if equation.primitive.name in ("convert_element_type", "copy") else None
    )


def reduced(equation: Any, shape: Shape) -> Shape:
    """What goes over several channels at once depends on their number."""
    for place in equation.params["axes"]:
        fix(shape[place])
    return Shape([shape[place] for place in range(len(shape.dimensions)) if place not in equation.params["axes"]])


def along(equation: Any, shape: Shape) -> Shape:
    """An operation along one dimension."""
    fix(shape[equation.params["axis"]])
    return Shape(shape.dimensions)


def unchanged_sizes(equation: Any, shape: Shape) -> Shape:
    """Windows, slices and edges, which leave a dimension as it is where its size stays."""
    output = Shape.new(equation.outvars[0].aval.shape, fixed=True)
    sizes, windows = equation.invars[0].aval.shape, equation.params.get("window_dimensions")
    for place, size in enumerate(sizes):
        if size == equation.outvars[0].aval.shape[place] and (windows is None or windows[place] == 1):
            output.dimensions[place] = shape[place]
        else:
            fix(shape[place])
    return output


def broadcast(equation: Any, shape: Shape) -> Shape:
    """New dimensions are as long as what they are used with."""
    sizes = equation.params["shape"]
    output = Shape.new(sizes)
    for place, target in enumerate(equation.params["broadcast_dimensions"]):
        if equation.invars[0].aval.shape[place] == sizes[target]:
            output.dimensions[target] = shape[place]
    return output


def squeezed(equation: Any, shape: Shape) -> Shape:
    """Without dimensions of size 1."""
    gone = equation.params["dimensions"]
    return Shape([shape[place] for place in range(len(shape.dimensions)) if place not in gone])


Rule = Callable[[Any, Shape], Shape]
"""(equation, its first input) -> its output."""

RULES: dict[str, Rule] = {
    "broadcast_in_dim": broadcast,
    "transpose": lambda equation, shape: Shape(
        [shape[place] for place in equation.params["permutation"]], shape.weight
    ),
    "reshape": lambda equation, shape: reshaped(shape, equation.params["new_sizes"]),
    "squeeze": squeezed,
    "slice": unchanged_sizes,
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"), along),
    **dict.fromkeys(REDUCTIONS, reduced),
    **dict.fromkeys(WINDOWS, unchanged_sizes),
}
"""By operation. All others fix what they touch."""
