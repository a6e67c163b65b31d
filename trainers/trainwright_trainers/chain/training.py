"""What is to be trained, whatever the framework that does it."""

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from trainwright.api.base import JsonObject
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory, Train
from trainwright_trainers.runtime.artifacts import Artifact, read_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.losses import Losses
from trainwright_trainers.runtime.phases import Phase

Model = TypeVar("Model")


@dataclass(frozen=True)
class Wanted:
    """What the user wants to be trained."""

    options: Train
    field: str
    """Where these options are, such as `spec.steps[train].train`."""
    factory: Factory
    model_field: str
    """Where the factory is, such as `spec.model`."""
    source: Artifact | None
    """The artifact that the training goes on from; none when it begins with the factory's weights."""


@dataclass(frozen=True)
class Trained(Generic[Model]):
    """How a training ended."""

    stopped: bool
    step: int
    """Optimizer steps done."""
    resumed_from: int | None
    notes: list[str]
    """What the user should know."""
    model: Model
    """The model as it is then."""
    details: JsonObject = field(default_factory=dict)
    """Further numbers for the result."""


def concluded(result: StepResult, trained: Trained[Model], losses: Losses) -> StepResult:
    """The result, with how far the training came and what time it lost."""
    return result.model_copy(
        update={
            "training_step": trained.step,
            "resumed_from": trained.resumed_from,
            "lost": losses.total.rounded(),
            "details": result.details | trained.details,
        }
    )


def model_of(step: StepContext) -> Factory:
    """The factory of the job's model.

    Raises:
        ConfigurationError: the job has none.
    """
    configuration = step.configuration
    if configuration.model is None:
        raise ConfigurationError(f"spec.model is missing: step {configuration.step.name!r} needs a model factory")
    return configuration.model


def wanted_model(step: StepContext) -> Wanted:
    """The training of a `train` step."""
    name, options = step.configuration.step.name, step.configuration.step.options
    return Wanted(
        options=options,
        field=f"spec.steps[{name}].train",
        factory=model_of(step),
        model_field="spec.model",
        source=read_artifact(step.input) if step.input is not None else None,
    )


def wanted_student(step: StepContext) -> Wanted:
    """The student's training in a `distill` step."""
    name, options = step.configuration.step.name, step.configuration.step.options
    return Wanted(
        options=options.train,
        field=f"spec.steps[{name}].distill.train",
        factory=options.student,
        model_field=f"spec.steps[{name}].distill.student",
        source=None,
    )


def phases(step: StepContext, count: int) -> tuple[StepContext, StepContext]:
    """A `distill` step as it is for the training with the teacher, and for that without, whose files lie in `alone`."""
    first, second = (replace(step, progress=Phase(step.progress, index, count)) for index in (0, 1))
    alone = step.directory / "alone"
    return first, replace(second, output=alone / "artifact", checkpoints=alone / "checkpoints")


def no_teacher(step: StepContext) -> ConfigurationError:
    """What is wrong when a `distill` step has neither an artifact nor a factory to be its teacher."""
    return ConfigurationError(
        f"spec.steps[{step.configuration.step.name}].distill: there is no accepted artifact to be the teacher; a step"
        " before it, such as train, makes one, or distill.teacher names a factory"
    )


def check_same_answers(teacher: list[int], student: list[int], field: str) -> None:
    """Refuse a teacher whose answers, of these shapes, can't be compared with the student's.

    Raises:
        ConfigurationError: they are not of the same shape, or no logits of classes.
    """
    if teacher != student or len(student) < 2:
        raise ConfigurationError(
            f"{field}: the student answers with {student}, the teacher with {teacher}; both must give"
            " [batch, classes, ...] of the same classes"
        )
