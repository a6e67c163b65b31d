"""From an artifact of an MXNet job to a PyTorch model: `python mxnet_to_torch.py ARTIFACT TARGET.safetensors`.

Gluon and PyTorch store convolutions, dense layers and batch normalization alike. Where the layers stand in the same
order, only two names differ; a model of one's own needs its counterpart here in the place of `network`.
"""

import sys
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

RENAMED = {"gamma": "weight", "beta": "bias"}
"""Gluon's names in batch normalization -> PyTorch's."""


def network(widths: tuple[int, ...] = (16, 32, 64), classes: int = 10, dropout: float = 0.1) -> nn.Sequential:
    """What trainwright_trainers.mxnet.models:cnn is, for images of one channel."""
    layers: list[nn.Module] = []
    for index, (before, width) in enumerate(zip((1, *widths), widths, strict=False)):
        stride = 1 if index == 0 else 2
        layers += [nn.Conv2d(before, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(widths[-1], classes)
    )


def load(artifact: Path, model: nn.Module) -> None:
    """Give the model the weights of an MXNet job's artifact."""
    arrays: dict[str, Tensor] = safetensors.torch.load_file(artifact / "model.safetensors")
    state = {}
    for name, values in arrays.items():
        layer, _, kind = name.partition("/")[2].rpartition(".")
        state[f"{layer}.{RENAMED.get(kind, kind)}"] = values
    counters = {name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.load_state_dict(state | counters)


def main() -> None:
    """Write the weights under PyTorch's names."""
    artifact, target = map(Path, sys.argv[1:])
    model = network().eval()
    load(artifact, model)
    with torch.inference_mode():
        print("outputs for an image of zeros:", model(torch.zeros(1, 1, 8, 8)).tolist())
    safetensors.torch.save_model(model, str(target))


if __name__ == "__main__":
    main()
