"""The `distill` step: a smaller student is trained to answer as a teacher does."""

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from trainwright.api.contract import StepResult
from trainwright.api.steps import Distill
from trainwright_trainers.chain.training import check_same_answers, model_of, no_teacher, phases, wanted_student
from trainwright_trainers.data import Dataset, read_batch
from trainwright_trainers.evaluation.measure import BATCH_SIZE, usable_threads
from trainwright_trainers.evaluation.quality import Quality, measure_quality
from trainwright_trainers.pytorch.feeding import tensors
from trainwright_trainers.pytorch.fitting import Trained, begin, concluded, fit
from trainwright_trainers.pytorch.losses import Loss
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.preparation import Prepared, is_sharded, prepare
from trainwright_trainers.pytorch.processes import joined, this_process
from trainwright_trainers.pytorch.sharding import shard
from trainwright_trainers.runtime.artifacts import Artifact, read_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.distillation import Weights, comparison, weights_of


def run(step: StepContext) -> StepResult:
    """Train the student on all processes; the first one measures and publishes it.

    Where it is asked for, the student is then trained once more without the teacher, to compare with. Both trainings
    have checkpoints of their own, so that a restart goes on in the one that it was in.
    """
    processes = this_process()
    losses = begin(step, processes)
    options: Distill = step.configuration.step.options
    source = read_artifact(step.input) if step.input is not None else None
    teacher = make_teacher(step, source)
    first, second = phases(step, 2 if options.compare_alone else 1)
    wanted = wanted_student(step)
    prepared = prepare(first, processes, wanted)
    check_answers(prepared, teacher)
    alone = None
    losses.lap("start")
    with joined(processes, options.train.collectives):
        teacher.to(processes.device)
        if is_sharded(prepared.options, processes):
            shard(teacher, "fp32", processes)
        trained = fit(first, processes, prepared, Soft(teacher, prepared.loss, weights_of(options)), losses=losses)
        if options.compare_alone and not trained.stopped:
            alone = fit(second, processes, prepare(second, processes, wanted))
    stopped = trained.stopped or (alone is not None and alone.stopped)
    result = StepResult(outcome="Stopped" if stopped else "Succeeded", notes=trained.notes)
    if trained.model is not None and not stopped:
        result = publish(step, trained, alone, prepared, source)
    return concluded(result, prepared, trained, losses)


class Soft:
    """What is minimized: how far the student's answers are from the teacher's, and from the true labels."""

    def __init__(self, teacher: nn.Module, loss: Loss, weights: Weights) -> None:
        self._teacher = teacher
        self._loss = loss
        self._weights = weights

    def __call__(self, inputs: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._teacher(inputs)
        weights = self._weights
        soft = divergence(outputs, wanted, weights.temperature) * weights.soft
        return soft + self._loss(outputs, targets) * weights.hard if weights.hard else soft


def divergence(outputs: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the student's answers from the teacher's, in nats, a mean over the targets.

    Args:
        outputs: the student's, [n, classes, ...].
        wanted: the teacher's, of the same shape.
        temperature: what both are divided by before they become probabilities.
    """
    student = log_softmax(outputs.float() / temperature, dim=1)
    teacher = log_softmax(wanted.float() / temperature, dim=1)
    answers = outputs.numel() // outputs.shape[1]
    return kl_div(student, teacher, reduction="sum", log_target=True) / answers


def make_teacher(step: StepContext, source: Artifact | None) -> nn.Module:
    """The teacher in evaluation mode, on the CPU: made by its factory, else the accepted artifact.

    Raises:
        ConfigurationError: there is neither.
    """
    name, options = step.configuration.step.name, step.configuration.step.options
    if options.teacher is not None:
        teacher = make_model(options.teacher, f"spec.steps[{name}].distill.teacher")
    elif source is None:
        raise no_teacher(step)
    else:
        from trainwright_trainers.pytorch.artifacts import load_model

        teacher = load_model(source, model_of(step))
    return teacher.eval().requires_grad_(False)


def check_answers(prepared: Prepared, teacher: nn.Module) -> None:
    """Refuse a teacher whose answers can't be compared with the student's.

    Raises:
        ConfigurationError: their outputs are not of the same shape, or no logits of classes.
    """
    student = prepared.state.model
    device = next(student.parameters()).device
    inputs, _ = tensors(read_batch(prepared.splits.train, range(1)), device)
    student.eval()
    with torch.no_grad():
        theirs, own = teacher(inputs.cpu()), student(inputs)
    student.train()
    check_same_answers(list(theirs.shape), list(own.shape), prepared.wanted.model_field)


def publish(
    step: StepContext, trained: Trained, alone: Trained | None, prepared: Prepared, source: Artifact | None
) -> StepResult:
    """Publish the student, and tell how it answers beside its teacher and beside itself without the teacher."""
    from trainwright_trainers.pytorch.publishing import publish_model

    assert trained.model is not None
    options, validation = step.configuration.step.options, prepared.splits.validation
    teacher = quality_of(make_teacher(step, source), validation)
    details = {
        "memory": trained.memory,
        **comparison(
            teacher,
            quality_of(trained.model, validation),
            quality_of(alone.model, validation) if alone is not None and alone.model is not None else None,
        ),
    }
    return publish_model(
        step,
        trained.model,
        options.student,
        validation,
        parent=source,
        parent_factory=step.configuration.model,
        recipe={},
        notes=trained.notes + (alone.notes if alone is not None else []),
        details=details,
    )


def quality_of(model: nn.Module, validation: Dataset) -> Quality:
    """How well a model answers, measured as all artifacts are."""
    from trainwright_trainers.pytorch.programs import open_module

    return measure_quality(open_module(model.cpu().eval(), usable_threads()), validation, BATCH_SIZE)
