"""What the same libraries give for a model when they are called directly, with their own defaults, as a user would."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import Predict
from trainwright_trainers.evaluation.onnx import open_onnx
from trainwright_trainers.evaluation.tflite import open_tflite
from trainwright_trainers.pytorch.programs import open_module

SHAPES = ({0: torch.export.Dim("batch")},)
"""Any number of samples."""


@dataclass(frozen=True)
class Contender:
    """One model file and how it is run."""

    file: Path
    open: Callable[[], Predict]


@dataclass(frozen=True)
class Calls:
    """Direct calls for one trained model."""

    model: nn.Module
    example: torch.Tensor
    """Two samples."""
    samples: Array
    """For calibration."""
    folder: Path
    """Where files go."""

    def onnx(self, name: str, model: nn.Module | None = None) -> Contender:
        """ONNX by torch.onnx, of the model or of what another library made of it."""
        file = self.folder / f"{name}.onnx"
        torch.onnx.export(model or self.model, (self.example,), dynamo=True, dynamic_shapes=SHAPES).save(file)
        return Contender(file, partial(open_onnx, file, 1))

    def pt2(self) -> Contender:
        """A .pt2 by torch.export."""
        file = self.folder / "model.pt2"
        torch.export.save(torch.export.export(self.model, (self.example,), dynamic_shapes=SHAPES), file)
        return Contender(file, lambda: open_module(torch.export.load(file).module(), 1))

    def torchscript(self, name: str, program: Any) -> Contender:
        """A file of what torch.jit made."""
        file = self.folder / f"{name}.pt"
        program.save(str(file))
        return Contender(file, lambda: open_module(torch.jit.load(file), 1))

    def static(self, name: str, source: Contender) -> Contender:
        """INT8 by ONNX Runtime, with its calibration."""
        from onnxruntime.quantization import quantize_static

        file = self.folder / f"{name}.onnx"
        quantize_static(source.file, file, Reader(self.samples))
        return Contender(file, partial(open_onnx, file, 1))

    def dynamic(self, source: Contender) -> Contender:
        """INT8 weights and activations by ONNX Runtime, without calibration."""
        from onnxruntime.quantization import quantize_dynamic

        file = self.folder / "dynamic.onnx"
        quantize_dynamic(source.file, file)
        return Contender(file, partial(open_onnx, file, 1))

    def pt2e(self) -> Contender:
        """INT8 by torchao's PT2E and its quantizer for x86, exported to ONNX.

        Source: https://docs.pytorch.org/ao/stable/pt2e_quantization/pt2e_quant_x86_inductor.html
        """
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        program = torch.export.export(self.model, (self.example,), dynamic_shapes=SHAPES).module()
        tell_calls_apart(program)
        defaults = x86.get_default_x86_inductor_quantization_config()
        prepared = prepare_pt2e(program, x86.X86InductorQuantizer().set_global(defaults))
        with torch.no_grad():
            for part in np.array_split(self.samples, 8):
                prepared(torch.from_numpy(part))
        return self.onnx("pt2e", convert_pt2e(prepared))

    def weights(self) -> Contender:
        """INT8 weights by torchao, exported to ONNX."""
        from torchao.quantization import Int8WeightOnlyConfig, quantize_

        quantized = deepcopy(self.model)
        quantize_(quantized, Int8WeightOnlyConfig())
        return self.onnx("weights", quantized)

    def tflite(self) -> Contender:
        """TFLite by litert-torch, for one sample at a time."""
        import litert_torch

        file = self.folder / "model.tflite"
        litert_torch.convert(self.model, (self.example[:1],)).export(str(file))
        return Contender(file, partial(open_tflite, file, 1))

    def litert(self, recipe: str, source: Contender) -> Contender:
        """INT8 by ai-edge-quantizer."""
        from ai_edge_quantizer import quantizer
        from ai_edge_quantizer import recipe as recipes

        file = self.folder / f"{recipe}.tflite"
        quantizing = quantizer.Quantizer(str(source.file), getattr(recipes, recipe)())
        ranges = None
        if quantizing.need_calibration:
            ranges = quantizing.calibrate({"serving_default": [{"args_0": sample[None]} for sample in self.samples]})
        quantizing.quantize(ranges).export_model(str(file))
        return Contender(file, partial(open_tflite, file, 1))

    def cut(self) -> nn.Module:
        """A copy of the model without half of its channels, by Torch-Pruning."""
        import torch_pruning

        copy = deepcopy(self.model)
        pruner = torch_pruning.pruner.MagnitudePruner(
            copy,
            self.example[:1],
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
            pruning_ratio=0.5,
            ignored_layers=[copy.get_submodule("fc")],
        )
        pruner.step()
        return copy


class Reader:
    """Calibration samples for ONNX Runtime."""

    def __init__(self, samples: Array) -> None:
        self._feeds: Iterator[dict[str, Array]] = ({"x": part} for part in np.array_split(samples, 8))

    def get_next(self) -> dict[str, Array] | None:
        """The next batch."""
        return next(self._feeds, None)


def tell_calls_apart(program: Any) -> None:
    """Give each call of a module that is called more than once, such as one ReLU for a whole block, a name of its own.

    torchao's quantizer takes all calls of one name for one operator, and gives up where that has several outputs.
    """
    for node in program.graph.nodes:
        stack = node.meta.get("nn_module_stack")
        if stack and node.op == "call_function":
            key, (path, kind) = list(stack.items())[-1]
            node.meta["nn_module_stack"] = {**stack, key: (f"{path}.{node.name}", kind)}
