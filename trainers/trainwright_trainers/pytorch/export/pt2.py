"""A .pt2 archive, by torch.export (https://docs.pytorch.org/docs/stable/export.html)."""

from pathlib import Path

import torch
from torch import nn
from torch.export import ExportedProgram

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.onnx import BATCH
from trainwright_trainers.pytorch.artifacts import input_name, load_model
from trainwright_trainers.pytorch.export.signatures import example_batch, torch_signatures
from trainwright_trainers.pytorch.programs import PT2, check_archive
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

FILE = "model.pt2"


def convert_to_pt2(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory` as a .pt2 archive, without the inputs that it was traced with.

    Raises:
        ConfigurationError: the model can't be followed, or can't take any batch size.
    """
    model = load_model(source.artifact, source.factory)
    program = export_program(model, source.sample, dynamic_batch)
    save_program(program, directory / FILE)
    inputs, outputs = torch_signatures(input_name(model), model, source.sample, dynamic_batch)
    return Converted(PT2, FILE, inputs, outputs, {"torch": torch.__version__})


def export_program(model: nn.Module, sample: Array, dynamic_batch: bool) -> ExportedProgram:
    """Follow a model in evaluation mode on the CPU, for batches of any size or for single samples.

    Args:
        model: the model.
        sample: one input, [1, ...].
        dynamic_batch: whether any batch size must do.

    Raises:
        ConfigurationError: the model can't be followed, or can't take any batch size.
    """
    shapes = ({0: torch.export.Dim(BATCH, min=1)},) if dynamic_batch else None
    try:
        with quiet():
            return torch.export.export(model, (example_batch(sample, dynamic_batch),), dynamic_shapes=shapes)
    # torch.export raises errors of many kinds, most of them private ones below RuntimeError
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigurationError(f"torch.export can't follow this model: {reason}") from error


def save_program(program: ExportedProgram, target: Path) -> None:
    """Write the program without its example inputs, and without the source lines and paths of the user's code."""
    program._example_inputs = None  # there is no public way; `check_archive` sees whether it did
    for graph in (
        module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)
    ):
        for node in graph.nodes:
            node.meta.pop("stack_trace", None)
    with quiet():
        torch.export.save(program, target)
    check_archive(target)
