"""The `distill` step: a smaller student is trained to answer as a teacher does."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from trainwright.api.contract import StepResult
from trainwright.api.steps import Distill
from trainwright_trainers.chain.training import (
    Trained,
    check_same_answers,
    concluded,
    model_of,
    no_teacher,
    phases,
    wanted_student,
)
from trainwright_trainers.evaluation.measure import BATCH_SIZE
from trainwright_trainers.evaluation.quality import Quality, measure_quality
from trainwright_trainers.runtime.artifacts import Artifact, read_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.distillation import Weights, comparison, weights_of
from trainwright_trainers.tensorflow.artifacts import load_model
from trainwright_trainers.tensorflow.fitting import begin, fit, watched
from trainwright_trainers.tensorflow.losses import of_samples
from trainwright_trainers.tensorflow.networks import make_network
from trainwright_trainers.tensorflow.predictors import open_model
from trainwright_trainers.tensorflow.preparation import Prepared, prepare
from trainwright_trainers.tensorflow.processes import Processes
from trainwright_trainers.tensorflow.publishing import plain_copy, publish_model


@dataclass(frozen=True)
class Soft:
    """What is minimized: how far the student's answers are from the teacher's, and from the true labels."""

    teacher: Any
    weights: Weights

    def __call__(self, inputs: Any, outputs: Any, losses: Any) -> Any:
        """As `stepping.Guide`."""
        weights = self.weights
        wanted = self.teacher(inputs, training=False)
        soft = of_samples(divergences(outputs, wanted, weights.temperature)) * weights.soft
        return soft + losses * weights.hard if weights.hard else soft


def divergences(outputs: Any, wanted: Any, temperature: float) -> Any:
    """Kullback-Leibler divergence of each of the student's answers from the teacher's, in nats: [n, ...].

    Args:
        outputs: the student's, [n, classes, ...].
        wanted: the teacher's, of the same shape.
        temperature: what both are divided by before they become probabilities.
    """
    student, teacher = (
        tf.nn.log_softmax(tf.cast(logits, tf.float32) / temperature, axis=1) for logits in (outputs, wanted)
    )
    return tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=1)


def run(step: StepContext) -> StepResult:
    """Train the student on all processes; the first one measures and publishes it.

    Where it is asked for, the student is then trained once more without the teacher, to compare with. Both trainings
    have checkpoints of their own, so that a restart goes on in the one that it was in.
    """
    options: Distill = step.configuration.step.options
    group = begin(step, options.train.collectives)
    source = read_artifact(step.input) if step.input is not None else None
    first, second = phases(step, 2 if options.compare_alone else 1)
    wanted = wanted_student(step)
    with watched(step, group, options.train.collectives):
        prepared = prepare(first, group.processes, wanted)
        teacher = make_teacher(step, group.processes, source, prepared)
        theirs, own = (
            list(model(prepared.sample[:1], training=False).shape) for model in (teacher, prepared.objective.model)
        )
        check_same_answers(theirs, own, wanted.model_field)
        soft = Soft(teacher, weights_of(options))
        group.losses.lap("start")
        trained = fit(first, group, replace(prepared, objective=replace(prepared.objective, guide=soft)))
        alone = None
        if options.compare_alone and not trained.stopped:
            alone = fit(second, group, prepare(second, group.processes, wanted), counted=False)
    stopped = trained.stopped or (alone is not None and alone.stopped)
    result = StepResult(outcome="Stopped" if stopped else "Succeeded", notes=trained.notes)
    if group.processes.first and not stopped:
        result = publish(step, trained, alone, teacher, prepared, source)
    return concluded(result, trained, group.losses)


def make_teacher(step: StepContext, processes: Processes, source: Artifact | None, prepared: Prepared) -> Any:
    """The teacher: made by its factory, with the weights that this gives it, else the accepted artifact; collective.

    Raises:
        ConfigurationError: there is neither.
    """
    name, options = step.configuration.step.name, step.configuration.step.options
    with processes.strategy.scope():
        if options.teacher is not None:
            keras.utils.set_random_seed(step.configuration.seed)
            return make_network(options.teacher, f"spec.steps[{name}].distill.teacher", prepared.sample)
        if source is None:
            raise no_teacher(step)
        return load_model(source, model_of(step))


def publish(
    step: StepContext,
    trained: Trained[Any],
    alone: Trained[Any] | None,
    teacher: Any,
    prepared: Prepared,
    source: Artifact | None,
) -> StepResult:
    """Publish the student, and tell how it answers beside its teacher and beside itself without the teacher."""
    student, sample, validation = step.configuration.step.options.student, prepared.sample, prepared.splits.validation

    def quality_of(model: Any) -> Quality:
        """How well a model answers, measured as all artifacts are."""
        return measure_quality(open_model(model), validation, BATCH_SIZE)

    told = comparison(
        quality_of(teacher),
        quality_of(plain_copy(trained.model, student, {}, sample)),
        quality_of(plain_copy(alone.model, student, {}, sample)) if alone is not None else None,
    )
    return publish_model(
        step,
        trained.model,
        sample,
        student,
        validation,
        parent=source,
        parent_factory=step.configuration.model,
        recipe={},
        notes=trained.notes + (alone.notes if alone is not None else []),
        details=told,
    )
