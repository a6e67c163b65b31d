"""The `profile` step: where the time goes, by operation (https://docs.jax.dev/en/latest/profiling.html)."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import optax

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright_trainers.chain.profiling import dearest
from trainwright_trainers.chain.source import Source, field_of, read_source
from trainwright_trainers.data.order import Position
from trainwright_trainers.jax.artifacts import load_model
from trainwright_trainers.jax.cache import use_compilation_cache
from trainwright_trainers.jax.checkpointing import Learned
from trainwright_trainers.jax.compilation import Compilation
from trainwright_trainers.jax.feeding import Feeder
from trainwright_trainers.jax.losses import make_loss
from trainwright_trainers.jax.optimization import Optimization, make_optimizer
from trainwright_trainers.jax.processes import local, meet
from trainwright_trainers.jax.stepping import Objective, make_step
from trainwright_trainers.runtime.context import StepContext

TRACE = "trace.json.gz"
"""The trace, for https://ui.perfetto.dev."""

OneStep = Callable[[int], Any]
"""(number of the step) -> what it computes."""


def run(context: StepContext) -> StepResult:
    """Run some steps on the accepted model, and write a trace beside the step's result."""
    use_compilation_cache(context.root)
    compilation = Compilation()
    options = context.configuration.step.options
    step = make_one_step(context, read_source(context))
    for number in range(options.steps):
        if context.stop.requested:
            return StepResult(outcome="Stopped")
        jax.block_until_ready(step(number))
    context.directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        with jax.profiler.trace(scratch, create_perfetto_trace=True):
            for number in range(options.steps, 2 * options.steps):
                with jax.profiler.StepTraceAnnotation("step", step_num=number):
                    jax.block_until_ready(step(number))
        (trace,) = Path(scratch).rglob("perfetto_trace.json.gz")
        (recorded,) = Path(scratch).rglob("*.xplane.pb")
        shutil.copyfile(trace, context.directory / TRACE)
        details = summarize(recorded, options.steps)
    files = {"files": [(context.directory / TRACE).relative_to(context.root).as_posix()]}
    return StepResult(outcome="Succeeded", details=details | files | compilation.details)


def make_one_step(context: StepContext, source: Source) -> OneStep:
    """One step of training or inference on samples of the training split, on all devices of this process.

    Raises:
        ConfigurationError: there is no such optimizer or loss, or the artifact is no JAX model.
    """
    options, field, seed = context.configuration.step.options, field_of(context), context.configuration.seed
    model = load_model(source.artifact, source.factory)
    rate = optax.constant_schedule(options.optimizer.learning_rate)
    optimizer = make_optimizer(options.optimizer, rate, f"{field}.optimizer")
    objective = Objective(model.network, make_loss(options.loss, f"{field}.loss"), options.precision)
    processes = meet()
    size = min(options.batch_size, len(source.splits.train))
    feeder = Feeder(source.splits.train, processes, seed=seed, batch_size=size, parts=1)
    learned = processes.replicate(Learned(model.variables, optimizer.init(model.variables.parameters)))
    learn = make_step(objective, Optimization(optimizer, rate), processes, seed)
    here = local(learned.variables)
    infer = jax.jit(lambda variables, inputs: objective.forward(variables, inputs, training=False, key=None)[0])

    def batch(number: int) -> Any:
        with jax.profiler.TraceAnnotation("read batch"):
            return next(feeder.epoch(Position(number)))  # each of the same size, from another order of the samples

    def training(number: int) -> Any:
        nonlocal learned
        read = batch(number)
        learned, told = learn(learned, read.inputs, read.targets, read.weights, number)
        return told

    def inference(number: int) -> Any:
        return infer(here, local(batch(number).inputs)[0, 0])

    return training if options.mode == "training" else inference


def summarize(recorded: Path, steps: int) -> JsonObject:
    """The dearest operations of all devices together, as XLA names them after it has fused them."""
    times: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for plane in jax.profiler.ProfileData.from_file(str(recorded)).planes:
        for line in plane.lines:
            for event in line.events:
                name = dict(event.stats).get("hlo_op")
                if name is not None and event.name == name:
                    times[name] += event.duration_ns / 1e6
                    calls[name] += 1
    return dearest(times, calls, steps)
