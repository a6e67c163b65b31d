"""The `distill` step: a smaller student is trained to answer as a teacher does."""

from dataclasses import dataclass, replace
from typing import Any

import mxnet as mx
from mxnet import autograd

from trainwright.api.contract import StepResult
from trainwright.api.steps import Distill
from trainwright_trainers.chain.training import check_same_answers, model_of, no_teacher, phases, wanted_student
from trainwright_trainers.data import Dataset
from trainwright_trainers.evaluation.measure import BATCH_SIZE
from trainwright_trainers.evaluation.quality import Quality, measure_quality
from trainwright_trainers.mxnet.artifacts import load_model
from trainwright_trainers.mxnet.fitting import Trained, begin, concluded, fit
from trainwright_trainers.mxnet.losses import of_samples
from trainwright_trainers.mxnet.networks import make_network
from trainwright_trainers.mxnet.preparation import Prepared, prepare
from trainwright_trainers.mxnet.programs import predict_by
from trainwright_trainers.mxnet.publishing import publish_model
from trainwright_trainers.mxnet.tensors import as_nd
from trainwright_trainers.runtime.artifacts import Artifact, read_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.distillation import Weights, comparison, weights_of


@dataclass(frozen=True)
class Soft:
    """What is minimized: how far the student's answers are from the teacher's, and from the true labels."""

    teacher: Any
    weights: Weights

    def __call__(self, inputs: Any, outputs: Any, losses: Any) -> Any:
        """As `stepping.Guide`."""
        weights = self.weights
        with autograd.pause(train_mode=False):
            wanted = self.teacher(inputs)
        soft = of_samples(divergences(outputs, wanted, weights.temperature)) * weights.soft
        return soft + losses * weights.hard if weights.hard else soft


def divergences(outputs: Any, wanted: Any, temperature: float) -> Any:
    """Kullback-Leibler divergence of each of the student's answers from the teacher's, in nats: [n, ...].

    Args:
        outputs: the student's, [n, classes, ...].
        wanted: the teacher's, of the same shape.
        temperature: what both are divided by before they become probabilities.
    """
    student, teacher = (mx.nd.log_softmax(logits / temperature, axis=1) for logits in (outputs, wanted))
    return (mx.nd.exp(teacher) * (teacher - student)).sum(axis=1)


def run(step: StepContext) -> StepResult:
    """Train the student on all processes; the first one measures and publishes it.

    Where it is asked for, the student is then trained once more without the teacher, to compare with. Both trainings
    have checkpoints of their own, so that a restart goes on in the one that it was in.
    """
    options = step.configuration.step.options
    group = begin(step, options.train.collectives)
    source = read_artifact(step.input) if step.input is not None else None
    first, second = phases(step, 2 if options.compare_alone else 1)
    wanted = wanted_student(step)
    prepared = prepare(first, group.processes, wanted)
    teacher = make_teacher(step, source, prepared)
    example = prepared.sample[:1]
    theirs, own = (list(model(as_nd(example)).shape) for model in (teacher, on_cpu(prepared)))
    check_same_answers(theirs, own, wanted.model_field)
    teacher.collect_params().reset_ctx(group.processes.device)
    soft = Soft(teacher, weights_of(options))
    group.losses.lap("start")
    trained = fit(first, group, replace(prepared, objective=replace(prepared.objective, guide=soft)))
    alone = None
    if options.compare_alone and not trained.stopped:
        alone = prepare(second, group.processes, wanted)
        second_trained = fit(second, group, alone, counted=False)
        trained = replace(trained, stopped=second_trained.stopped, notes=trained.notes + second_trained.notes)
    group.processes.part()
    result = StepResult(outcome="Stopped" if trained.stopped else "Succeeded", notes=trained.notes)
    if group.processes.first and not trained.stopped:
        result = publish(step, options, prepared, trained, alone, teacher, source)
    return concluded(result, trained, group)


def on_cpu(prepared: Prepared) -> Any:
    """The student, for a look at the shape of its answers."""
    return lambda inputs: prepared.objective.model(inputs.as_in_context(prepared.device))


def make_teacher(step: StepContext, source: Artifact | None, prepared: Prepared) -> Any:
    """The teacher: made by its factory, with what that initializes its weights to, else the accepted artifact.

    Raises:
        ConfigurationError: there is neither.
    """
    name, options = step.configuration.step.name, step.configuration.step.options
    if options.teacher is not None:
        return make_network(options.teacher, f"spec.steps[{name}].distill.teacher", prepared.sample)
    if source is None:
        raise no_teacher(step)
    return load_model(source, model_of(step))


def publish(
    step: StepContext,
    options: Distill,
    prepared: Prepared,
    trained: Trained,
    alone: Prepared | None,
    teacher: Any,
    source: Artifact | None,
) -> StepResult:
    """Publish the student, and tell how it answers beside its teacher and beside itself without the teacher."""
    validation = prepared.splits.validation
    models = [teacher, prepared.objective.model, *([alone.objective.model] if alone is not None else [])]
    for model in models:
        model.collect_params().reset_ctx(mx.cpu())
    found = [quality_of(model, validation) for model in models]
    return publish_model(
        step,
        prepared.objective.model,
        prepared.sample,
        options.student,
        validation,
        parent=source,
        parent_factory=step.configuration.model,
        recipe={},
        notes=trained.notes,
        details=comparison(found[0], found[1], found[2] if alone is not None else None),
    )


def quality_of(model: Any, validation: Dataset) -> Quality:
    """How well a model answers, measured as all artifacts are."""
    return measure_quality(predict_by(model), validation, BATCH_SIZE)
