"""What a training's memory is used for."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainwright.api.base import JsonObject
from trainwright_trainers.pytorch.blocks import blocks
from trainwright_trainers.pytorch.processes import Processes
from trainwright_trainers.pytorch.sharding import own_part
from trainwright_trainers.runtime.progress import peak_memory_bytes

MOST_MODULES = 40
"""Modules that are told of by name; what the others use is told in sum."""
REST = "(others)"


@dataclass
class Activations:
    """Bytes that the forward pass keeps for the backward pass, by the module in whose forward pass they came up."""

    samples: int = 1
    by_module: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def measured(self, model: nn.Module, samples: int) -> Iterator[None]:
        """Measure the one forward pass within, of so many samples. Weights are not counted, nor a storage twice."""
        self.samples = samples
        self.by_module.clear()
        names = dict(units(model))
        running: list[str] = []
        counted = {tensor.untyped_storage().data_ptr() for tensor in map(own_part, model.parameters())}

        def keep(tensor: Tensor) -> Tensor:
            storage = own_part(tensor).untyped_storage()
            if storage.data_ptr() not in counted and not isinstance(tensor, nn.Parameter):
                counted.add(storage.data_ptr())
                name = running[-1] if running else REST
                self.by_module[name] = self.by_module.get(name, 0) + storage.nbytes()
            return tensor

        def enter(name: str) -> object:
            def begin(module: nn.Module, _inputs: object) -> None:
                running.append(name)
                # A sharded module has gathered its weights by now.
                counted.update(
                    parameter.untyped_storage().data_ptr() for parameter in map(own_part, module.parameters())
                )

            return begin

        def leave(*_: object) -> None:
            running.pop()

        hooks = [module.register_forward_pre_hook(enter(name)) for name, module in names.items()]  # type: ignore[arg-type]
        hooks += [module.register_forward_hook(leave) for module in names.values()]
        try:
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                yield
        finally:
            for hook in hooks:
                hook.remove()


def units(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules that memory is told by: the blocks, and the layers outside of them."""
    found = list(blocks(model))
    paths = [name for name, _ in found]
    outside = [
        (name, module)
        for name, module in model.named_modules()
        if not any(True for _ in module.children())
        and any(True for _ in module.parameters(recurse=False))
        and not any(name.startswith(f"{path}.") for path in paths)
    ]
    return found + outside


def memory_report(
    model: nn.Module, optimizer: torch.optim.Optimizer, activations: Activations, processes: Processes
) -> JsonObject:
    """Peaks over all processes, and by module what lies in this one; collective.

    `parametersBytes`, `gradientsBytes` and `optimizerBytes` are this process' part of a sharded model.
    `activationsBytesPerSample` was measured in a small batch, before the training.
    """
    device = processes.device
    gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    peaks = processes.gather(torch.tensor([float(peak_memory_bytes()), float(gpu)], dtype=torch.float64))
    report: JsonObject = {"peakBytes": int(peaks[:, 0].max())}
    if device.type == "cuda":
        report["gpuPeakBytes"] = int(peaks[:, 1].max())
    report["modules"] = _by_module(model, optimizer, activations)
    return report


def _by_module(model: nn.Module, optimizer: torch.optim.Optimizer, activations: Activations) -> list[JsonObject]:
    counted: set[nn.Parameter] = set()
    rows: list[JsonObject] = []
    for name, module in [*units(model), (REST, model)]:
        mine = [parameter for parameter in module.parameters() if parameter not in counted]
        counted.update(mine)
        state = [value for parameter in mine for value in optimizer.state.get(parameter, {}).values()]
        row = {
            "parametersBytes": sum(map(_bytes, mine)),
            "gradientsBytes": sum(_bytes(parameter) for parameter in mine if parameter.requires_grad),
            "optimizerBytes": sum(_bytes(value) for value in state if isinstance(value, Tensor)),
            "activationsBytesPerSample": math.ceil(activations.by_module.get(name, 0) / activations.samples),
        }
        if any(row.values()):
            rows.append({"name": name, **row})
    rows.sort(key=lambda row: -sum(value for value in row.values() if isinstance(value, int)))
    shown, others = rows[:MOST_MODULES], rows[MOST_MODULES:]
    if others:
        keys = [key for key in others[0] if key != "name"]
        shown.append({"name": f"({len(others)} more)"} | {key: sum(row[key] for row in others) for key in keys})
    return shown


def _bytes(tensor: Tensor) -> int:
    own = own_part(tensor)
    return own.numel() * own.element_size()
