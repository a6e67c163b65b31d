"""The `profile` step: where the time goes, by operator (https://docs.pytorch.org/docs/stable/profiler.html)."""

from collections.abc import Callable

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright_trainers.chain.profiling import dearest
from trainwright_trainers.chain.source import Source, field_of, read_source
from trainwright_trainers.data import read_batch
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.feeding import tensors
from trainwright_trainers.pytorch.losses import make_loss
from trainwright_trainers.pytorch.optimization import make_optimizer
from trainwright_trainers.pytorch.precision import casts
from trainwright_trainers.pytorch.processes import this_process
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.quiet import quiet

TRACE = "trace.json.gz"
"""The trace, for chrome://tracing or https://ui.perfetto.dev."""
TABLE = "operators.txt"
"""All operators."""

OneStep = Callable[[int], None]
"""(number of the step) -> does it."""


def run(context: StepContext) -> StepResult:
    """Run some steps on the accepted model, and write a trace and a table of operators beside the step's result."""
    options = context.configuration.step.options
    step = make_step(context, read_source(context))
    on_gpu = this_process().device.type == "cuda"
    context.directory.mkdir(parents=True, exist_ok=True)
    with (
        quiet(),
        profile(
            activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])],
            schedule=schedule(wait=1, warmup=options.steps, active=options.steps, repeat=1),
            on_trace_ready=lambda profiler: profiler.export_chrome_trace(str(context.directory / TRACE)),
            record_shapes=True,
            profile_memory=True,
        ) as profiler,
    ):
        for number in range(1 + 2 * options.steps):
            if context.stop.requested:
                return StepResult(outcome="Stopped")
            step(number)
            profiler.step()
    return StepResult(outcome="Succeeded", details=summarize(context, profiler, on_gpu))


def make_step(context: StepContext, source: Source) -> OneStep:
    """One step of training or inference on samples of the training split.

    Raises:
        ConfigurationError: there is no such optimizer or loss, or the artifact is no PyTorch model.
    """
    options, field, device = context.configuration.step.options, field_of(context), this_process().device
    model = load_model(source.artifact, source.factory).to(device)
    optimizer = make_optimizer(options.optimizer, model.parameters(), f"{field}.optimizer")
    loss = make_loss(options.loss, f"{field}.loss")
    train = source.splits.train

    def read(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        with record_function("read batch"):
            indices = (number * options.batch_size + np.arange(options.batch_size)) % len(train)
            return tensors(read_batch(train, indices), device)

    def learn(number: int) -> None:
        inputs, targets = read(number)
        with casts(options.precision, device):
            value = loss(model(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def infer(number: int) -> None:
        inputs, _ = read(number)
        with torch.inference_mode(), casts(options.precision, device):
            model(inputs)

    training = options.mode == "training"
    model.train(training)
    return learn if training else infer


def summarize(context: StepContext, profiler: profile, on_gpu: bool) -> JsonObject:
    """The dearest operators, by the time that they took themselves; the table of all goes into a file."""
    order = f"self_{'device' if on_gpu else 'cpu'}_time_total"
    averages = profiler.key_averages()
    table = averages.table(sort_by=order, row_limit=-1, max_name_column_width=100)
    (context.directory / TABLE).write_text(table, encoding="utf-8")
    times = {event.key: float(getattr(event, order)) / 1000 for event in averages}  # it counts microseconds
    calls = {event.key: event.count for event in averages}
    files = [(context.directory / name).relative_to(context.root).as_posix() for name in (TRACE, TABLE)]
    return {**dearest(times, calls, context.configuration.step.options.steps), "files": files}
