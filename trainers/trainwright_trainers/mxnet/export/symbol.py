"""A symbol and its parameters, `HybridBlock.export`'s two files: MXNet loads them without the model's code."""

import shutil
from pathlib import Path
from typing import Any

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.chain.weights import signature
from trainwright_trainers.data import Array
from trainwright_trainers.mxnet.artifacts import TOOLS, example, load_model
from trainwright_trainers.mxnet.programs import FORMAT, PARAMETERS, SYMBOL
from trainwright_trainers.mxnet.tensors import as_nd

NAME = SYMBOL.removesuffix("-symbol.json")


def convert_to_symbol(source: Source, directory: Path, dynamic_batch: bool) -> Converted:  # noqa: ARG001 - any size does
    """Write the artifact's model to `directory`; a symbol takes any batch size."""
    description = source.artifact.description
    if description.format == FORMAT:
        for name in (SYMBOL, PARAMETERS):
            shutil.copyfile(source.artifact.file(name), directory / name)
        return Converted(FORMAT, SYMBOL, description.inputs, description.outputs, TOOLS)
    return write_symbol(load_model(source.artifact, source.factory), example(description), directory)


def write_symbol(model: Any, sample: Array, directory: Path) -> Converted:
    """Write a hybridized block.

    Args:
        model: the block.
        sample: inputs that it takes, [n, ...].
        directory: where the two files go.
    """
    outputs = model(as_nd(sample)).asnumpy()
    model.export(str(directory / NAME))
    return Converted(FORMAT, SYMBOL, [signature("data", sample)], [signature("output", outputs)], TOOLS)
