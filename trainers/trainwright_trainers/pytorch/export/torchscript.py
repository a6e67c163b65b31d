"""TorchScript (https://docs.pytorch.org/docs/stable/jit.html), by trace and by script, with a loader in C++ beside it.

Upstream has deprecated it in favour of torch.export; it is still what libtorch loads with no Python in the process.
"""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template

import torch
from torch import nn

from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.export.signatures import example_batch, torch_signatures
from trainwright_trainers.pytorch.programs import TORCHSCRIPT
from trainwright_trainers.runtime.artifacts import Signature
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.quiet import quiet

FILE = "model.pt"
INPUT, OUTPUT = "INPUT__0", "OUTPUT__0"
"""TorchScript's tensors have no names; these are what Triton calls them."""
LOADER = "loader"
"""The folder of the C++ loader."""
CPP_TYPES = {"float32": "float", "float64": "double", "int64": "std::int64_t", "int32": "std::int32_t"}
"""By NumPy's name."""


def trace(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model as the operations that one batch went through.

    A way through the model that depends on the numbers is fixed to the one that this batch took; where that changes the
    outputs for others, the parity check finds it.

    Raises:
        ConfigurationError: the model can't be traced.
    """
    example = example_batch(source.sample, dynamic_batch)

    def follow(model: nn.Module) -> torch.jit.ScriptModule:
        program: torch.jit.ScriptModule = torch.jit.trace(model, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        return program

    return _convert(source, directory, dynamic_batch, follow)


def script(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """Write the artifact's model as its code compiled, with its branches and loops.

    Raises:
        ConfigurationError: the model's code uses what TorchScript can't compile.
    """
    return _convert(source, directory, dynamic_batch, torch.jit.script)


def _convert(
    source: Source, directory: Path, dynamic_batch: bool, compile: Callable[[nn.Module], torch.jit.ScriptModule]
) -> Converted:
    model = load_model(source.artifact, source.factory)
    try:
        with quiet(), torch.inference_mode(False), torch.no_grad():
            program = torch.jit.freeze(compile(model).eval())
            program.save(str(directory / FILE))
    # the compiler raises errors of many kinds, most of them private ones below RuntimeError
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip(" :")), type(error).__name__)
        raise ConfigurationError(
            f"export.format: this model can't be converted to TorchScript this way: {reason}"
        ) from error
    inputs, outputs = torch_signatures(INPUT, model, source.sample, dynamic_batch, OUTPUT)
    write_loader(directory / LOADER, inputs[0], outputs[0])
    return Converted(TORCHSCRIPT, FILE, inputs, outputs, {"torch": torch.__version__})


def write_loader(directory: Path, source: Signature, result: Signature) -> None:
    """Write a CMake project whose program runs the model on samples from a file.

    Raises:
        ConfigurationError: the model's numbers have a type that the program has none for.
    """
    if source.dtype not in CPP_TYPES:
        raise ConfigurationError(f"the TorchScript loader reads {', '.join(CPP_TYPES)}; the model takes {source.dtype}")
    values = {
        "cpp_type": CPP_TYPES[source.dtype],
        "dtype": source.dtype,
        "shape": ", ".join(str(size) for size in source.shape[1:]),
        "output_shape": ", ".join(str(size) for size in result.shape[1:]),
        "torch_version": torch.__version__,
        "batch": "0" if source.shape[0] == "batch" else "1",
    }
    directory.mkdir()
    for template in (entry for entry in files(__package__).joinpath(LOADER).iterdir() if entry.name.endswith(".in")):
        text = Template(template.read_text(encoding="utf-8")).substitute(values)
        (directory / template.name.removesuffix(".in")).write_text(text, encoding="utf-8")
