"""Our compressed and exported artifacts beside what the same libraries give when they are called directly.

    python -m benchmarks.compression

A residual network and a small transformer, each trained on 4,000 images of MNIST, one process: size, accuracy, and
latency at batch sizes 1 and 32 on one pinned thread. Each artifact and its direct counterpart run in the same runtime.
All models of a network are loaded and warm, and run in rounds of another order each, so that none always finds the
caches as the same one left them; times are compared round by round. Ends with 1 when one of ours is worse than the
library's own by more than measuring allows, or when the pruned INT8 model isn't at least twice as fast as the float
ONNX model at an accuracy within one point.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainwright.api.contract import StepConfiguration
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array, Arrays, Splits, mnist5k, read_batch
from trainwright_trainers.evaluation import Predict, measure_quality
from trainwright_trainers.evaluation.latency import pinned
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.predictors import subject_of
from trainwright_trainers.pytorch.publishing import publish_model
from trainwright_trainers.pytorch.steps import find_run
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.context import StepContext, read_context
from trainwright_trainers.runtime.quiet import quiet

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is run as a file

from benchmarks.compressed import CASES, SAMPLES, Case, fit
from benchmarks.direct import Calls, Contender

ROUNDS = {1: 100, 32: 15}
"""By batch size: how often every model runs, each time that it is loaded."""
SIZES = tuple(ROUNDS)
WARM_UP = 5
"""Further rounds, before those that are timed."""
LOADED = 4
"""How often all models are loaded: the same one is some percent faster or slower by where its weights come to lie."""
SPEEDUP = 2.0
"""How much faster than float ONNX the pruned INT8 model must be."""
POINT = 0.01
"""How much accuracy it may cost, and ours may differ from the library's (ten of 1,000 samples)."""
SLACK = 1.1
"""Of latency and size: what measuring, and a manifest beside a file of some ten KiB, may account for."""


@dataclass(frozen=True)
class Row:
    """What was measured of one model."""

    kib: float
    accuracy: float
    seconds: dict[int, Array]
    """By batch size, of each round."""

    def milliseconds(self, size: int) -> float:
        """The median."""
        return 1000 * float(np.median(self.seconds[size]))

    def slower(self, other: "Row", size: int) -> float:
        """How many times the other's time, by the median of all rounds."""
        return float(np.median(self.seconds[size] / other.seconds[size]))


def context(root: Path, model: dict[str, Any], step: dict[str, Any], after: str | None) -> StepContext:
    """What the entry point gives a step."""
    home = f"steps/{step['name']}"
    configuration = StepConfiguration.model_validate(
        {
            "job": "benchmark",
            "namespace": "default",
            "framework": "pytorch",
            "model": model,
            "data": {"factory": "trainwright_trainers.data:mnist5k"},
            "step": step,
            "input": f"steps/{after}/artifact" if after else None,
            "output": f"{home}/artifact",
            "checkpoints": f"{home}/checkpoints",
        }
    )
    return read_context({"TRAINWRIGHT_STEP": configuration.model_dump_json(), "TRAINWRIGHT_ROOT": str(root)})


def ours(root: Path, case: Case, factory: Factory) -> Iterator[tuple[str, Contender]]:
    """Run every step; the models that they made, by its name."""
    for wanted in case.steps:
        step = {key: value for key, value in wanted.items() if key != "after"}
        find_run(made := context(root, case.model, step, wanted.get("after", "train")))(made)
        print(f"{case.name}: made {step['name']}", file=sys.stderr)
        if step["name"] != "pruned":  # on the way to others
            artifact = read_artifact(made.output)
            (file,) = [made.output / one.path for one in artifact.description.files if Path(one.path).stem == "model"]
            yield step["name"], Contender(file, lambda artifact=artifact: subject_of(artifact, factory).open(1))


def measured(contenders: dict[str, Contender], splits: Splits) -> dict[str, Row]:
    """Everything, in one process, on one CPU."""
    times: dict[tuple[str, int], list[float]] = {(name, size): [] for name in contenders for size in SIZES}
    with pinned(1):
        for _ in range(LOADED):
            models = {name: contenders[name].open() for name in random.sample(list(contenders), len(contenders))}
            for size in SIZES:
                for name, found in seconds(models, read_batch(splits.validation, range(size))[0]).items():
                    times[name, size] += found
        accuracies = {name: measure_quality(model, splits.validation, 256).accuracy for name, model in models.items()}
    return {
        name: Row(
            one.file.stat().st_size / 1024,
            accuracies[name] or 0.0,
            {size: np.array(times[name, size]) for size in SIZES},
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
        for size in SIZES:
            if own.slower(other, size) > SLACK:
                yield f"{name}: {own.slower(other, size):.2f} times the library's time at batch size {size}"
    if "pruned-int8" in rows:
        plain, small = rows["onnx"], rows["pruned-int8"]
        if small.accuracy < plain.accuracy - POINT:
            yield f"pruned-int8: accuracy {small.accuracy:.3f}, float ONNX {plain.accuracy:.3f}"
        for size in SIZES:
            if plain.slower(small, size) < SPEEDUP:
                yield f"pruned-int8: {plain.slower(small, size):.2f} times as fast as float ONNX at batch size {size}"


def show(title: str, rows: dict[str, Row], direct: dict[str, Row]) -> None:
    """The table: ours, and in brackets ours divided by the library's own."""
    print(f"{title:16} {'KiB':>16} {'accuracy':>16}" + "".join(f"{f'ms at {size}':>18}" for size in SIZES))
    for name, row in rows.items():
        other = direct[name]
        cells = [(row.kib, row.kib / other.kib), (row.accuracy, row.accuracy / other.accuracy)]
        cells += [(row.milliseconds(size), row.slower(other, size)) for size in SIZES]
        print(f"{name:16}" + "".join(f"{f'{value:9.3f} ({ratio:.2f})':>18}" for value, ratio in cells))
    if "pruned-int8" in rows:
        for size in SIZES:
            faster = rows["onnx"].slower(rows["pruned-int8"], size)
            print(f"pruned + INT8 is {faster:.2f} times as fast as float ONNX at batch size {size}")


def run(case: Case, splits: Splits, scratch: Path) -> list[str]:
    """Train, compress both ways, measure, and say which promises were not kept."""
    assert isinstance(splits.train, Arrays) and isinstance(splits.calibration, Arrays)
    factory = Factory.model_validate(case.model)
    root, folder = scratch / "job", scratch / "direct"
    folder.mkdir(parents=True)
    model = make_model(factory)
    for epochs, rate in case.training:
        fit(model, splits.train, epochs, rate)
    publish_model(context(root, case.model, {"name": "train", "train": {}}, None), model, factory, splits.validation)
    trained = load_model(read_artifact(root / "steps/train/artifact"), factory)
    mine = dict(ours(root, case, factory))
    calls = Calls(trained, torch.from_numpy(splits.train.inputs[:2]), splits.calibration.inputs[:SAMPLES], folder)
    with quiet():
        direct = dict(case.direct(calls, splits.train))
    together = {f"ours {name}": one for name, one in mine.items()}
    together |= {f"direct {name}": one for name, one in direct.items()}
    rows = measured(together, splits)
    own, other = ({name: rows[f"{whose} {name}"] for name in mine} for whose in ("ours", "direct"))
    show(case.name, own, other)
    return [f"{case.name}: {promise}" for promise in broken_promises(own, other)]


def main() -> int:
    """Measure every case, and say whether every promise was kept."""
    torch.manual_seed(0)
    random.seed(0)
    splits = mnist5k()
    with tempfile.TemporaryDirectory() as scratch:
        broken = [
            promise for number, case in enumerate(CASES) for promise in run(case, splits, Path(scratch, f"{number}"))
        ]
    for promise in broken:
        print(f"BROKEN {promise}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
