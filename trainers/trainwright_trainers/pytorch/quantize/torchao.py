"""INT8 by torchao's PT2E: the model is quantized as a PyTorch program, and becomes an ONNX model of the QDQ form.

Source: https://docs.pytorch.org/ao/stable/pt2e_quantization/index.html
"""

from importlib.metadata import version

import torch
from torch.fx import GraphModule

from trainwright_trainers.chain.onnx_files import FILE, describe_onnx
from trainwright_trainers.chain.scheme import Task
from trainwright_trainers.chain.source import Converted
from trainwright_trainers.data import batches
from trainwright_trainers.evaluation import compare_quantized
from trainwright_trainers.evaluation.onnx import open_onnx
from trainwright_trainers.evaluation.subject import model_input
from trainwright_trainers.pytorch.artifacts import input_name, load_model
from trainwright_trainers.pytorch.export.onnx import TOOLS, export_onnx
from trainwright_trainers.pytorch.export.pt2 import export_program
from trainwright_trainers.pytorch.programs import open_module
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

BATCH_SIZE = 32
"""Samples a forward pass of the calibration."""


def quantize_pt2e(task: Task) -> Converted:
    """Weights in INT8, each output channel with its own scale, and activations in unsigned INT8 with one each.

    Where, says `annotation.py`; ranges and rounding are torchao's.

    Raises:
        ConfigurationError: the artifact is no PyTorch model, or torchao can't follow it.
        ParityError: the ONNX model is not what torchao made.
    """
    model = load_model(task.source.artifact, task.source.factory)
    name = input_name(model)
    program = export_program(model, task.source.sample, dynamic_batch=True).module()
    assert isinstance(program, GraphModule)
    quantized = quantize(program, task)
    export_onnx(quantized, task.source.sample, task.draft / FILE, dynamic_batch=True, name=name)
    compare_quantized(open_module(quantized, 1), open_onnx(task.draft / FILE, 1), task.source.splits.validation)
    return describe_onnx(task.draft / FILE, dynamic_batch=True, tools=TOOLS | {"torchao": version("torchao")})


def quantize(program: GraphModule, task: Task) -> GraphModule:
    """The program with its operators quantized, by the ranges that they have on the calibration samples."""
    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        from trainwright_trainers.pytorch.quantize.annotation import OnnxRuntimeQuantizer

        try:
            prepared = prepare_pt2e(program, OnnxRuntimeQuantizer())
        except (ValueError, RuntimeError, AssertionError) as error:
            raise ConfigurationError(
                f"quantize.backend torchao can't follow this model; onnxruntime may: {str(error).partition(chr(10))[0]}"
            ) from error
        with torch.no_grad():
            for inputs, _ in batches(task.calibration, BATCH_SIZE):
                prepared(torch.from_numpy(model_input(inputs)))
        quantized: GraphModule = convert_pt2e(prepared)
        return quantized
