"""TFLite, by litert-torch (https://github.com/google-ai-edge/litert-torch): one sample at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.chain.tflite_files import FILE, describe_tflite, refuse_any_batch
from trainwright_trainers.data import Array
from trainwright_trainers.evaluation.tflite import FORMAT
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet


def convert_to_tflite(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model to `directory` as a TFLite model; a quantized one stays what it is.

    Raises:
        ConfigurationError: any batch size is asked for, or the model can't be converted.
    """
    refuse_any_batch(dynamic_batch)
    target = directory / FILE
    if source.artifact.description.format == FORMAT:
        shutil.copyfile(source.artifact.file(".tflite"), target)
    else:
        export_tflite(load_model(source.artifact, source.factory), source.sample, target)
    return describe_tflite(target, tools())


def export_tflite(model: nn.Module, sample: Array, target: Path) -> None:
    """Convert a model in evaluation mode on the CPU, for one sample at a time.

    Raises:
        ConfigurationError: the converter is not installed, or can't follow the model.
    """
    with converter() as litert_torch:
        try:
            with quiet():
                litert_torch.convert(model, (torch.from_numpy(sample),)).export(str(target))
        # the converter's passes raise what they like
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigurationError(f"this model can't be converted to TFLite: {reason}") from error


@contextmanager
def converter() -> Iterator[ModuleType]:
    """litert-torch, with JAX at 64 bits for as long as it converts: it needs that, and sets it for good on import.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        with quiet():
            import jax

            settings: Any = jax.config
            before = settings.jax_enable_x64
            import litert_torch
    except ImportError as error:
        raise ConfigurationError(
            f"TFLite needs the extra trainwright[tflite] in the trainer's image: {error}"
        ) from error
    settings.update("jax_enable_x64", True)
    try:
        yield litert_torch
    finally:
        settings.update("jax_enable_x64", before)


def tools() -> dict[str, str]:
    """Versions of what converts, beside LiteRT itself."""
    return {"torch": str(torch.__version__), "litert-torch": version("litert-torch")}
