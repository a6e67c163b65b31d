"""Our compressed and exported artifacts beside what the same libraries give when they are called directly.

    python benchmarks/compression.py

One residual network, trained on 4,000 images of MNIST, one process: size, accuracy, and latency at batch sizes 1 and
32 on one pinned thread. All models are loaded and warm, and run in rounds of another order each, so that none always
finds the caches as the same one left them. Ends with 1 when one of ours is worse than the library's own by more than
measuring allows, or when the pruned INT8 model isn't at least twice as fast as the float ONNX model at an accuracy
within one point.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trainwright.api.contract import StepConfiguration
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array, Arrays, Splits, mnist5k, read_batch
from trainwright_trainers.evaluation import Predict, measure_quality
from trainwright_trainers.evaluation.latency import pinned
from trainwright_trainers.evaluation.onnx import open_onnx
from trainwright_trainers.evaluation.tflite import open_tflite
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.programs import open_module
from trainwright_trainers.pytorch.publishing import publish_model
from trainwright_trainers.pytorch.steps import find_run
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.context import StepContext, read_context
from trainwright_trainers.runtime.quiet import quiet

MODEL = {"factory": "trainwright_trainers.pytorch.models:resnet8", "args": {"width": 32}}
ROUNDS = {1: 100, 32: 15}
"""By batch size: how often every model runs, each time that it is loaded."""
SIZES = tuple(ROUNDS)
WARM_UP = 5
"""Further rounds, before those that are timed."""
LOADED = 4
"""How often all models are loaded: the same one is some percent faster or slower by where its weights come to lie."""
TRAINING = ((5, 3e-3), (2, 3e-4))
"""Epochs and their learning rate: until more of them don't make the float model better."""
FINETUNING = (6, 1e-3)
SAMPLES = 200
"""To calibrate INT8 with."""
SPEEDUP = 2.0
"""How much faster than float ONNX the pruned INT8 model must be."""
POINT = 0.01
"""How much accuracy it may cost, and ours may differ from the library's (ten of 1,000 samples)."""
SLACK = 1.1
"""Of latency and size: what measuring, and a manifest beside a file of some ten KiB, may account for."""

STEPS: list[dict[str, Any]] = [
    {"name": "onnx", "export": {"format": "onnx"}},
    {"name": "pt2", "export": {"format": "pt2"}},
    {"name": "trace", "export": {"format": "torchscript-trace"}},
    {"name": "tflite", "export": {"format": "tflite", "dynamicBatch": False}},
    {"name": "int8", "quantize": {"scheme": "int8-static", "calibrationSamples": SAMPLES}},
    {"name": "weights", "quantize": {"scheme": "int8-weight-only"}},
    {"name": "pt2e", "quantize": {"scheme": "int8-static", "backend": "torchao", "calibrationSamples": SAMPLES}},
    {"name": "tflite-int8", "quantize": {"scheme": "int8-static", "backend": "litert", "calibrationSamples": SAMPLES}},
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
    {"name": "pruned-int8", "after": "pruned", "quantize": {"scheme": "int8-static", "calibrationSamples": SAMPLES}},
]


@dataclass(frozen=True)
class Contender:
    """One model file and how it is run."""

    file: Path
    open: Callable[[], Predict]


@dataclass(frozen=True)
class Row:
    """What was measured of one."""

    kib: float
    accuracy: float
    milliseconds: tuple[float, ...]
    """By batch size."""


def context(root: Path, step: dict[str, Any], after: str | None) -> StepContext:
    """What the entry point gives a step."""
    home = f"steps/{step['name']}"
    configuration = StepConfiguration.model_validate(
        {
            "job": "benchmark",
            "namespace": "default",
            "framework": "pytorch",
            "model": MODEL,
            "data": {"factory": "trainwright_trainers.data:mnist5k"},
            "step": step,
            "input": f"steps/{after}/artifact" if after else None,
            "output": f"{home}/artifact",
            "checkpoints": f"{home}/checkpoints",
        }
    )
    return read_context({"TRAINWRIGHT_STEP": configuration.model_dump_json(), "TRAINWRIGHT_ROOT": str(root)})


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


def ours(root: Path, factory: Factory) -> dict[str, Contender]:
    """Run every step; the models that they made, by its name."""
    found = {}
    for wanted in STEPS:
        step = {key: value for key, value in wanted.items() if key != "after"}
        find_run(made := context(root, step, wanted.get("after", "train")))(made)
        artifact = read_artifact(made.output)
        (file,) = [made.output / one.path for one in artifact.description.files if Path(one.path).stem == "model"]
        found[step["name"]] = Contender(file, lambda artifact=artifact: subject_of(artifact, factory).open(1))
        print(f"made {step['name']}", file=sys.stderr)
    return found


def theirs(model: nn.Module, splits: Splits, folder: Path) -> Iterator[tuple[str, Contender]]:
    """The same by direct calls, with the libraries' own defaults."""
    assert isinstance(splits.train, Arrays) and isinstance(splits.calibration, Arrays)
    example = torch.from_numpy(splits.train.inputs[:2])
    shapes = ({0: torch.export.Dim("batch")},)
    samples = splits.calibration.inputs[:SAMPLES]

    def onnx(name: str, network: nn.Module) -> Contender:
        torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=shapes).save(folder / f"{name}.onnx")
        return Contender(folder / f"{name}.onnx", lambda: open_onnx(folder / f"{name}.onnx", 1))

    def int8(name: str, source: Path) -> Contender:
        from onnxruntime.quantization import quantize_static

        quantize_static(source, folder / f"{name}.onnx", Reader(samples))
        return Contender(folder / f"{name}.onnx", lambda: open_onnx(folder / f"{name}.onnx", 1))

    yield "onnx", (plain := onnx("onnx", model))
    program = torch.export.export(model, (example,), dynamic_shapes=shapes)
    torch.export.save(program, folder / "model.pt2")
    yield (
        "pt2",
        Contender(folder / "model.pt2", lambda: open_module(torch.export.load(folder / "model.pt2").module(), 1)),
    )
    torch.jit.trace(model, (example,)).save(str(folder / "model.pt"))
    yield "trace", Contender(folder / "model.pt", lambda: open_module(torch.jit.load(folder / "model.pt"), 1))
    yield "int8", int8("int8", plain.file)
    pruned = fit(cut(model, example[:1]), splits.train, *FINETUNING)
    yield "pruned-onnx", (smaller := onnx("pruned", pruned))
    yield "pruned-int8", int8("pruned-int8", smaller.file)
    yield from litert(model, example[:1], samples, folder)


def litert(model: nn.Module, example: torch.Tensor, samples: Array, folder: Path) -> Iterator[tuple[str, Contender]]:
    """TFLite by direct calls."""
    import litert_torch
    from ai_edge_quantizer import quantizer, recipe

    plain, small = folder / "model.tflite", folder / "int8.tflite"
    litert_torch.convert(model, (example,)).export(str(plain))
    yield "tflite", Contender(plain, lambda: open_tflite(plain, 1))
    quantizing = quantizer.Quantizer(str(plain), recipe.static_wi8_ai8())
    feeds = [{"args_0": sample[None]} for sample in samples]
    quantizing.quantize(quantizing.calibrate({"serving_default": feeds})).export_model(str(small))
    yield "tflite-int8", Contender(small, lambda: open_tflite(small, 1))


def cut(model: nn.Module, example: torch.Tensor) -> nn.Module:
    """A copy without half of its channels, by Torch-Pruning."""
    from copy import deepcopy

    import torch_pruning

    copy = deepcopy(model)
    pruner = torch_pruning.pruner.MagnitudePruner(
        copy,
        example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
        pruning_ratio=0.5,
        ignored_layers=[copy.get_submodule("fc")],
    )
    pruner.step()
    return copy


class Reader:
    """Calibration samples for ONNX Runtime."""

    def __init__(self, samples: Array) -> None:
        self._feeds = ({"x": part} for part in np.array_split(samples, 8))

    def get_next(self) -> dict[str, Array] | None:
        """The next batch."""
        return next(self._feeds, None)


def measured(contenders: dict[str, Contender], splits: Splits) -> dict[str, Row]:
    """Everything, in one process, on one CPU."""
    times: dict[tuple[str, int], list[float]] = {(name, size): [] for name in contenders for size in SIZES}
    with pinned(1):
        for _ in range(LOADED):
            models = {name: one.open() for name, one in contenders.items()}
            for size in SIZES:
                for name, found in seconds(models, read_batch(splits.validation, range(size))[0]).items():
                    times[name, size] += found
        accuracies = {name: measure_quality(model, splits.validation, 256).accuracy for name, model in models.items()}
    return {
        name: Row(
            one.file.stat().st_size / 1024,
            accuracies[name] or 0.0,
            tuple(1000 * float(np.median(times[name, size])) for size in SIZES),
        )
        for name, one in contenders.items()
    }


def seconds(models: dict[str, Predict], inputs: Array) -> dict[str, list[float]]:
    """Time of each inference, by model; in every round the models have another order."""
    order = list(models)
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(WARM_UP + ROUNDS[len(inputs)]):
        random.shuffle(order)
        for name in order:
            start = time.perf_counter()
            models[name](inputs)
            times[name].append(time.perf_counter() - start)
    return {name: found[WARM_UP:] for name, found in times.items()}


def broken_promises(rows: dict[str, Row], direct: dict[str, Row]) -> Iterator[str]:
    """What ours should be and isn't."""
    for name, other in direct.items():
        own = rows[name]
        if own.kib > SLACK * other.kib:
            yield f"{name}: {own.kib:.1f} KiB, by the library {other.kib:.1f}"
        if own.accuracy < other.accuracy - POINT:
            yield f"{name}: accuracy {own.accuracy:.3f}, by the library {other.accuracy:.3f}"
        for size, mine, its in zip(SIZES, own.milliseconds, other.milliseconds, strict=True):
            if mine > SLACK * its:
                yield f"{name}: {mine:.3f} ms at batch size {size}, by the library {its:.3f}"
    plain, small = rows["onnx"], rows["pruned-int8"]
    if small.accuracy < plain.accuracy - POINT:
        yield f"pruned-int8: accuracy {small.accuracy:.3f}, float ONNX {plain.accuracy:.3f}"
    for size, mine, its in zip(SIZES, small.milliseconds, plain.milliseconds, strict=True):
        if its < SPEEDUP * mine:
            yield f"pruned-int8: {its / mine:.2f} times as fast as float ONNX at batch size {size}, not {SPEEDUP:g}"


def show(rows: dict[str, Row], direct: dict[str, Row]) -> None:
    """The table: ours, and in brackets ours divided by the library's own."""
    print(f"{'artifact':12} {'KiB':>16} {'accuracy':>16}" + "".join(f"{f'ms at {size}':>18}" for size in SIZES))
    for name, row in rows.items():
        other = direct.get(name)
        values = [row.kib, row.accuracy, *row.milliseconds]
        ratios = [None] * len(values) if other is None else [other.kib, other.accuracy, *other.milliseconds]
        cells = [
            f"{value:9.3f} " + (f"({value / ratio:.2f})" if ratio else "(-)")
            for value, ratio in zip(values, ratios, strict=True)
        ]
        print(f"{name:12}" + "".join(f"{cell:>18}" for cell in cells))


def main() -> int:
    """Train, compress both ways, measure, and say whether every promise was kept."""
    torch.manual_seed(0)
    random.seed(0)
    splits, factory = mnist5k(), Factory.model_validate(MODEL)
    assert isinstance(splits.train, Arrays)
    with tempfile.TemporaryDirectory() as scratch:
        root, folder = Path(scratch) / "job", Path(scratch) / "direct"
        folder.mkdir()
        model = make_model(factory)
        for epochs, rate in TRAINING:
            fit(model, splits.train, epochs, rate)
        publish_model(context(root, {"name": "train", "train": {}}, None), model, factory, splits.validation)
        trained = load_model(read_artifact(root / "steps/train/artifact"), factory)
        mine = ours(root, factory)
        with quiet():
            direct = dict(theirs(trained, splits, folder))
        together = {f"ours {name}": one for name, one in mine.items()}
        together |= {f"direct {name}": one for name, one in direct.items()}
        rows = measured(together, splits)
    own = {name: rows[f"ours {name}"] for name in mine if name != "pruned"}
    other = {name: rows[f"direct {name}"] for name in direct}
    show(own, other)
    small, plain = own["pruned-int8"], own["onnx"]
    for size, fast, slow in zip(SIZES, small.milliseconds, plain.milliseconds, strict=True):
        print(f"pruned + INT8 is {slow / fast:.2f} times as fast as float ONNX at batch size {size}")
    broken = list(broken_promises(own, other))
    for promise in broken:
        print(f"BROKEN {promise}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
