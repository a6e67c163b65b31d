"""The `distill` step: a smaller student is trained to answer as a teacher does."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainwright.api.contract import StepResult
from trainwright.api.steps import Distill
from trainwright_trainers.chain.training import check_same_answers, model_of, no_teacher, phases, wanted_student
from trainwright_trainers.data import Dataset
from trainwright_trainers.evaluation.measure import BATCH_SIZE, usable_threads
from trainwright_trainers.evaluation.quality import Quality, measure_quality
from trainwright_trainers.jax import preflight
from trainwright_trainers.jax.artifacts import Model
from trainwright_trainers.jax.fitting import Trained, begin, concluded, fit
from trainwright_trainers.jax.losses import of_samples
from trainwright_trainers.jax.networks import Network, Variables, make_network
from trainwright_trainers.jax.preparation import Prepared, prepare
from trainwright_trainers.jax.processes import part
from trainwright_trainers.runtime.artifacts import Artifact, read_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.distillation import Weights, comparison, weights_of


@dataclass(frozen=True)
class Soft:
    """What is minimized: how far the student's answers are from the teacher's, and from the true labels."""

    teacher: Network
    variables: Variables
    weights: Weights

    @property
    def constants(self) -> Variables:
        """As `stepping.Guide`."""
        return self.variables

    def __call__(self, constants: Any, inputs: jax.Array, outputs: jax.Array, losses: jax.Array) -> jax.Array:
        """As `stepping.Guide`."""
        weights = self.weights
        wanted, _ = self.teacher.apply(constants, inputs, training=False, key=None)
        soft = of_samples(divergences(outputs, wanted, weights.temperature)) * weights.soft
        return soft + losses * weights.hard if weights.hard else soft


def divergences(outputs: jax.Array, wanted: jax.Array, temperature: float) -> jax.Array:
    """Kullback-Leibler divergence of each of the student's answers from the teacher's, in nats: [n, ...].

    Args:
        outputs: the student's, [n, classes, ...].
        wanted: the teacher's, of the same shape.
        temperature: what both are divided by before they become probabilities.
    """
    student, teacher = (
        jax.nn.log_softmax(logits.astype(jnp.float32) / temperature, axis=1) for logits in (outputs, wanted)
    )
    return (jnp.exp(teacher) * (teacher - student)).sum(axis=1)


def run(step: StepContext) -> StepResult:
    """Train the student on all processes; the first one measures and publishes it.

    Where it is asked for, the student is then trained once more without the teacher, to compare with. Both trainings
    have checkpoints of their own, so that a restart goes on in the one that it was in.
    """
    options, wanted = step.configuration.step.options, wanted_student(step)
    group = begin(step, wanted)
    source = read_artifact(step.input) if step.input is not None else None
    first, second = phases(step, 2 if options.compare_alone else 1)
    prepared = prepare(first, group.processes, wanted)
    teacher = make_teacher(step, source, prepared)
    student = Model(prepared.objective.network, prepared.state.learned.variables, prepared.sample)
    theirs, own = (list(jax.eval_shape(model.run, prepared.sample).shape) for model in (teacher, student))
    check_same_answers(theirs, own, wanted.model_field)
    soft = Soft(teacher.network, group.processes.replicate(teacher.variables), weights_of(options))
    group.losses.lap("start")
    trained = fit(first, group, replace(prepared, objective=replace(prepared.objective, guide=soft)))
    alone = None
    if options.compare_alone and not trained.stopped:
        alone = fit(second, group, prepare(second, group.processes, wanted), counted=False)
    part()
    stopped = trained.stopped or (alone is not None and alone.stopped)
    result = StepResult(outcome="Stopped" if stopped else "Succeeded", notes=trained.notes)
    if group.processes.first and not stopped:
        result = publish(step, options, trained, alone, teacher, prepared.splits.validation, source)
    return concluded(result, trained, group)


def make_teacher(step: StepContext, source: Artifact | None, prepared: Prepared) -> Model:
    """The teacher: made by its factory, with what that initializes its weights to, else the accepted artifact.

    Raises:
        ConfigurationError: there is neither.
    """
    name, options = step.configuration.step.name, step.configuration.step.options
    if options.teacher is not None:
        field = f"spec.steps[{name}].distill.teacher"
        network = make_network(options.teacher, field)
        inputs, _ = preflight.first_batch(prepared.splits)
        key = jax.random.key(step.configuration.seed)
        variables = preflight.initialize(network.initialize, key, inputs, field)
        return Model(network, jax.tree.map(np.asarray, variables), prepared.sample)
    if source is None:
        raise no_teacher(step)
    from trainwright_trainers.jax.artifacts import load_model

    return load_model(source, model_of(step))


def publish(
    step: StepContext,
    options: Distill,
    trained: Trained,
    alone: Trained | None,
    teacher: Model,
    validation: Dataset,
    source: Artifact | None,
) -> StepResult:
    """Publish the student, and tell how it answers beside its teacher and beside itself without the teacher."""
    from trainwright_trainers.jax.publishing import publish_model

    told = comparison(
        quality_of(teacher, validation),
        quality_of(trained.model, validation),
        quality_of(alone.model, validation) if alone is not None else None,
    )
    return publish_model(
        step,
        trained.model,
        options.student,
        validation,
        parent=source,
        parent_factory=step.configuration.model,
        recipe={},
        notes=trained.notes + (alone.notes if alone is not None else []),
        details=told,
    )


def quality_of(model: Model, validation: Dataset) -> Quality:
    """How well a model answers, measured as all artifacts are."""
    from trainwright_trainers.jax.predictors import open_model

    return measure_quality(open_model(model, usable_threads()), validation, BATCH_SIZE)
