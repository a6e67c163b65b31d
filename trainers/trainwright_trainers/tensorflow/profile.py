"""The `profile` step: where the time goes, by operation (https://www.tensorflow.org/guide/profiler)."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from trainwright.api.contract import StepResult
from trainwright_trainers.chain.profiling import dearest, ranked
from trainwright_trainers.chain.source import Source, field_of, read_source
from trainwright_trainers.data.order import Position
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.feeding import Feeder
from trainwright_trainers.tensorflow.losses import make_loss
from trainwright_trainers.tensorflow.optimization import for_precision, optimizer_of
from trainwright_trainers.tensorflow.processes import alone
from trainwright_trainers.tensorflow.stepping import Objective, make_step

LOGS = "tensorboard"
"""The folder for `tensorboard --logdir`, which needs its profiler's plug-in."""
TABLE = "operators.txt"
"""All operations."""
CALLS = frozenset(
    ("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile", "SymbolicGradient")
)
"""Operations that only run others, which are counted themselves."""

OneStep = Callable[[int], Any]
"""(number of the step) -> what it computes."""


def run(context: StepContext) -> StepResult:
    """Run some steps on the accepted model, and write logs for TensorBoard and a table beside the step's result."""
    options, logs = context.configuration.step.options, context.directory / LOGS
    step = make_one_step(context, read_source(context))
    for number in range(options.steps):
        if context.stop.requested:
            return StepResult(outcome="Stopped")
        step(number)
    shutil.rmtree(logs, ignore_errors=True)  # an earlier attempt's
    with tf.profiler.experimental.Profile(str(logs)):
        for number in range(options.steps, 2 * options.steps):
            with tf.profiler.experimental.Trace("step", step_num=number, _r=1):
                step(number)
    (recorded,) = logs.rglob("*.xplane.pb")
    times, calls = summed(recorded)
    rows = [
        f"{times[name] / options.steps:12.4f} {calls[name] / options.steps:10.1f}  {name}\n" for name in ranked(times)
    ]
    table = context.directory / TABLE
    table.write_text("".join(["ms in a step      calls  operation\n", *rows]), encoding="utf-8")
    files = [path.relative_to(context.root).as_posix() for path in (recorded, table)]
    return StepResult(outcome="Succeeded", details={**dearest(times, calls, options.steps), "files": files})


def make_one_step(context: StepContext, source: Source) -> OneStep:
    """One step of training or inference on samples of the training split, on this process' GPU where there is one.

    Raises:
        ConfigurationError: there is no such optimizer or loss, or the artifact is no Keras model.
    """
    options, field, seed = context.configuration.step.options, field_of(context), context.configuration.seed
    processes = alone()
    model = load_model(source.artifact, source.factory, options.precision)
    objective = Objective(model, make_loss(options.loss, f"{field}.loss"))
    optimizer = optimizer_of(options.optimizer, options.optimizer.learning_rate, f"{field}.optimizer")
    optimizer = for_precision(optimizer, options.precision)
    optimizer.build(model.trainable_variables)
    size = min(options.batch_size, len(source.splits.train))
    feeder = Feeder(source.splits.train, processes, seed=seed, batch_size=size, parts=1)
    learn = make_step(objective, optimizer, processes, seed, None)
    infer = tf.function(lambda inputs: model(inputs, training=False))

    def parts(number: int) -> Any:
        with tf.profiler.experimental.Trace("read batch"):
            return next(feeder.epoch(Position(number))).parts  # each as large, from another order of the samples

    def training(number: int) -> Any:
        return learn(parts(number), np.int64(number)).numpy()

    def inference(number: int) -> Any:
        return infer(parts(number)[0][0]).numpy()

    return training if options.mode == "training" else inference


def summed(recorded: Path) -> tuple[dict[str, float], dict[str, int]]:
    """By operation, as `kind name`: milliseconds on all threads together, and how often it ran.

    They are the operations that the host runs or, where a GPU computes, starts.
    """
    space = xplane_pb2.XSpace()
    space.ParseFromString(recorded.read_bytes())
    times: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                known = plane.event_metadata[event.metadata_id]
                node, _, kind = known.name.rpartition(":")
                if node and kind == known.display_name and kind not in CALLS:
                    times[f"{kind} {node}"] += event.duration_ps / 1e9
                    calls[f"{kind} {node}"] += 1
    return times, calls
