"""The `profile` step: where the time goes, by operation (https://mxnet.apache.org/versions/1.9.1/api/python/docs/api)."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet import profiler

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright_trainers.chain.source import Source, field_of, read_source
from trainwright_trainers.data.order import Position
from trainwright_trainers.mxnet.artifacts import load_model
from trainwright_trainers.mxnet.feeding import Batch, Feeder
from trainwright_trainers.mxnet.losses import make_loss
from trainwright_trainers.mxnet.optimization import Optimization, make_optimizer
from trainwright_trainers.mxnet.precision import narrowed
from trainwright_trainers.mxnet.processes import Processes
from trainwright_trainers.mxnet.stepping import Objective, Step
from trainwright_trainers.mxnet.tensors import as_nd
from trainwright_trainers.runtime.context import StepContext

TRACE = "trace.json"
"""The trace, for https://ui.perfetto.dev."""
MOST_OPERATORS = 10
"""How many of them the result names, so that it fits a termination message."""
LONGEST_NAME = 60


def run(context: StepContext) -> StepResult:
    """Run some steps on the accepted model, and write a trace beside the step's result."""
    options = context.configuration.step.options
    step = make_one_step(context, read_source(context))
    context.directory.mkdir(parents=True, exist_ok=True)
    path = context.directory / TRACE
    profiler.set_config(profile_all=True, filename=str(path), aggregate_stats=False, continuous_dump=False)
    for number in range(2 * options.steps):
        if context.stop.requested:
            return StepResult(outcome="Stopped")
        if number == options.steps:  # what came before was the warm-up
            profiler.set_state("run")
        step(number)
        mx.nd.waitall()
    profiler.set_state("stop")
    profiler.dump()
    files = {"files": [path.relative_to(context.root).as_posix()]}
    return StepResult(outcome="Succeeded", details=summarize(path, options.steps) | files)


def make_one_step(context: StepContext, source: Source) -> Any:
    """One step of training or inference on samples of the training split, on the CPU: (number of the step) -> None.

    Raises:
        ConfigurationError: there is no such optimizer or loss, or the artifact is no Gluon model.
    """
    options, field, seed = context.configuration.step.options, field_of(context), context.configuration.seed
    model = load_model(source.artifact, source.factory)
    optimizer = make_optimizer(options.optimizer, f"{field}.optimizer")
    optimization = Optimization(optimizer, lambda _: options.optimizer.learning_rate, model)
    processes = Processes(0, 1, mx.cpu())
    computing = narrowed(model, options.precision, as_nd(source.sample), f"{field}.precision", "spec.model")
    objective = Objective(model, make_loss(options.loss, f"{field}.loss"), computing=computing)
    learn = Step(objective, optimization, processes, seed, None)
    size = min(options.batch_size, len(source.splits.train))
    feeder = Feeder(source.splits.train, processes, seed=seed, batch_size=size, parts=1)

    def batch(number: int) -> Batch:
        return next(feeder.epoch(Position(number)))  # each of the same size, from another order of the samples

    def inference(number: int) -> None:
        computing(batch(number).parts[0][0])

    return (lambda number: learn(batch(number), number)) if options.mode == "training" else inference


def summarize(trace: Path, steps: int) -> JsonObject:
    """The dearest operations, as MXNet's engine names them, from a trace of beginnings and ends."""
    times: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    begun: dict[tuple[Any, ...], float] = {}
    for event in json.loads(trace.read_text())["traceEvents"]:
        if event.get("cat") != "operator" or event.get("ph") not in ("B", "E"):
            continue
        key = (event["name"], event["pid"], event["tid"])
        if event["ph"] == "B":
            begun[key] = event["ts"]
        elif key in begun:
            times[event["name"]] += (event["ts"] - begun.pop(key)) / 1000
            calls[event["name"]] += 1
    total = sum(times.values()) or 1.0
    dearest = sorted(times, key=lambda name: times[name], reverse=True)[:MOST_OPERATORS]
    return {
        "msPerStep": round(total / steps, 4),
        "operators": [
            {
                "name": name[:LONGEST_NAME],
                "callsPerStep": round(calls[name] / steps, 1),
                "msPerStep": round(times[name] / steps, 4),
                "share": round(times[name] / total, 4),
            }
            for name in dearest
        ],
    }
