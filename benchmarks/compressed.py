"""The networks that are compressed, and what is made of each: by our steps, and by direct calls of the same names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.direct import Calls, Contender
from trainwright_trainers.data import Arrays

FINETUNING = (6, 1e-3)
"""Epochs and their learning rate."""
SAMPLES = 200
"""To calibrate INT8 with."""


def quantize(name: str, scheme: str, backend: str = "onnxruntime", after: str = "train") -> dict[str, Any]:
    """A step that quantizes."""
    samples = {"calibrationSamples": SAMPLES} if scheme == "int8-static" else {}
    return {"name": name, "after": after, "quantize": {"scheme": scheme, "backend": backend, **samples}}


ONNX = {"name": "onnx", "export": {"format": "onnx"}}
RESIDUAL: list[dict[str, Any]] = [
    ONNX,
    {"name": "pt2", "export": {"format": "pt2"}},
    {"name": "trace", "export": {"format": "torchscript-trace"}},
    {"name": "script", "export": {"format": "torchscript-script"}},
    {"name": "tflite", "export": {"format": "tflite", "dynamicBatch": False}},
    quantize("int8", "int8-static"),
    quantize("pt2e", "int8-static", "torchao"),
    quantize("weights", "int8-weight-only"),
    quantize("tflite-int8", "int8-static", "litert"),
    quantize("tflite-dynamic", "int8-dynamic", "litert"),
    quantize("tflite-weights", "int8-weight-only", "litert"),
    {
        "name": "pruned",
        "prune": {
            "method": "l1-structured",
            "amount": 0.5,
            "finetuneEpochs": FINETUNING[0],
            "batchSize": 64,
            "optimizer": {"learningRate": FINETUNING[1]},
        },
    },
    {"name": "pruned-onnx", "after": "pruned", "export": {"format": "onnx"}},
    quantize("pruned-int8", "int8-static", after="pruned"),
]
TRANSFORMER: list[dict[str, Any]] = [
    ONNX,
    quantize("dynamic", "int8-dynamic"),
    quantize("int8", "int8-static"),
    quantize("pt2e", "int8-static", "torchao"),
    quantize("weights", "int8-weight-only"),
]


def fit(model: nn.Module, data: Arrays, epochs: int, rate: float) -> nn.Module:
    """Train a little, as a user would."""
    inputs, targets = torch.from_numpy(data.inputs), torch.from_numpy(data.targets)
    optimizer = torch.optim.AdamW(model.train().parameters(), rate)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
    return model.eval()


def residual(calls: Calls, train: Arrays) -> Iterator[tuple[str, Contender]]:
    """By direct calls, what `RESIDUAL` gives."""
    yield "onnx", (plain := calls.onnx("onnx"))
    yield "pt2", calls.pt2()
    yield "trace", calls.torchscript("trace", torch.jit.trace(calls.model, (calls.example,)))
    yield "script", calls.torchscript("script", torch.jit.script(calls.model))
    yield "tflite", (lite := calls.tflite())
    yield "int8", calls.static("int8", plain)
    yield "pt2e", calls.pt2e()
    yield "weights", calls.weights()
    yield "tflite-int8", calls.litert("static_wi8_ai8", lite)
    yield "tflite-dynamic", calls.litert("dynamic_wi8_afp32", lite)
    yield "tflite-weights", calls.litert("weight_only_wi8_afp32", lite)
    yield "pruned-onnx", (smaller := calls.onnx("pruned", fit(calls.cut(), train, *FINETUNING)))
    yield "pruned-int8", calls.static("pruned-int8", smaller)


def transformer(calls: Calls, _train: Arrays) -> Iterator[tuple[str, Contender]]:
    """By direct calls, what `TRANSFORMER` gives."""
    yield "onnx", (plain := calls.onnx("onnx"))
    yield "dynamic", calls.dynamic(plain)
    yield "int8", calls.static("int8", plain)
    yield "pt2e", calls.pt2e()
    yield "weights", calls.weights()


@dataclass(frozen=True)
class Case:
    """A network and what is made of it."""

    name: str
    model: dict[str, Any]
    training: tuple[tuple[int, float], ...]
    """Epochs and their learning rate: until more of them don't make the float model better."""
    steps: list[dict[str, Any]]
    direct: Callable[[Calls, Arrays], Iterator[tuple[str, Contender]]]


MODELS = "trainwright_trainers.pytorch.models:"
CASES = (
    Case(
        "residual network",
        {"factory": f"{MODELS}resnet8", "args": {"width": 32}},
        ((5, 3e-3), (2, 3e-4)),
        RESIDUAL,
        residual,
    ),
    Case(
        "transformer",
        {"factory": f"{MODELS}vit", "args": {"image_size": 28, "patch_size": 4, "width": 64, "depth": 4}},
        ((12, 1e-3), (3, 1e-4)),
        TRANSFORMER,
        transformer,
    ),
)
