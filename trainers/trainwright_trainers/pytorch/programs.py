"""PyTorch's own program formats, .pt2 and TorchScript, as something that can be measured."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright_trainers.data import Array
from trainwright_trainers.evaluation import Predict, Subject
from trainwright_trainers.pytorch.artifacts import run
from trainwright_trainers.runtime.artifacts import Artifact, ArtifactError
from trainwright_trainers.runtime.quiet import quiet

PT2 = "pt2"
TORCHSCRIPT = "torchscript"
SAMPLE_INPUTS = "sample_inputs"
"""The folder of a .pt2 archive for the inputs it was exported with; samples of somebody's data have no place there."""
MAX_INDEX_BYTES = 64 << 20
"""The largest index of an archive's weights that is read."""


def pt2_subject(artifact: Artifact) -> Subject:
    """The artifact's one .pt2 file, to be measured.

    Raises:
        ArtifactError: it isn't one, holds example inputs, or would have to be unpickled.
    """
    module = open_pt2(artifact.file(".pt2"))
    return _subject(artifact, module, lambda: (parameter.detach().numpy() for parameter in module.parameters()))


def torchscript_subject(artifact: Artifact) -> Subject:
    """The artifact's one TorchScript file, to be measured.

    Raises:
        ArtifactError: it isn't one.
    """
    module = open_torchscript(artifact.file(".pt"))
    return _subject(artifact, module, lambda: _constants(module))


def open_pt2(path: Path) -> nn.Module:
    """The program in a .pt2 file as a module on the CPU.

    Raises:
        ArtifactError: it isn't one, holds example inputs, or would have to be unpickled.
    """
    check_archive(path)
    try:
        with quiet():
            return torch.export.load(path).module()
    except (RuntimeError, ValueError, KeyError, AssertionError) as error:
        raise ArtifactError(f"{path} is not a program that torch.export can load: {error}") from error


def open_torchscript(path: Path) -> torch.jit.ScriptModule:
    """The program in a TorchScript file, in evaluation mode on the CPU.

    Raises:
        ArtifactError: it isn't one.
    """
    try:
        with quiet():
            module: torch.jit.ScriptModule = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ArtifactError(f"{path} is not a TorchScript program: {error}") from error
    module.eval()
    return module


def check_archive(path: Path) -> None:
    """Refuse a .pt2 archive that holds example inputs, or weights that torch.export would unpickle.

    Raises:
        ArtifactError: it is so, or not an archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if f"/{SAMPLE_INPUTS}/" in entry.filename and entry.file_size:
                    raise ArtifactError(
                        f"{path} holds the inputs that it was exported with ({entry.filename}): whoever gets the model"
                        " would get samples of the data"
                    )
                if entry.filename.endswith("_config.json"):
                    if entry.file_size > MAX_INDEX_BYTES:
                        raise ArtifactError(f"{path}: {entry.filename} is larger than {MAX_INDEX_BYTES} bytes")
                    _check_index(path, json.loads(archive.read(entry)))
    except (zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise ArtifactError(f"{path} is not a .pt2 archive: {error}") from error


def _check_index(path: Path, index: dict[str, dict[str, dict[str, object]]]) -> None:
    pickled = [name for name, payload in index["config"].items() if payload.get("use_pickle")]
    if pickled:
        raise ArtifactError(f"{path} holds pickled tensors ({pickled[0]}); nothing is unpickled here")


def _subject(artifact: Artifact, module: nn.Module, weights: Callable[[], Iterator[Array]]) -> Subject:
    return Subject(open=lambda threads: open_module(module, threads), weights=weights, size_bytes=artifact.size_bytes)


def _constants(module: torch.jit.ScriptModule) -> Iterator[Array]:
    """The weights of a frozen program: they are constants of its graph."""
    graph: Any = module.inlined_graph  # which owns its nodes
    for node in graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            tensor = node.t("value")
            if tensor.is_floating_point() and tensor.ndim:
                yield tensor.detach().numpy()


def open_module(module: nn.Module, threads: int) -> Predict:
    """A module in evaluation mode as a function that runs on that many threads."""

    def predict(batch: Array) -> Array:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        return run(module, batch)

    return predict
