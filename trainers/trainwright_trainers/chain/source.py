"""What the steps after training have in common: what they start from, and what a converter makes of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trainwright.api.base import JsonObject
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array, Splits, read_batch
from trainwright_trainers.data.factory import make_splits
from trainwright_trainers.evaluation.subject import Subject, model_input
from trainwright_trainers.runtime.artifacts import DESCRIPTION, Artifact, Description, Signature, read_artifact
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.suggestions import near_names

Choice = TypeVar("Choice")

STEP_NAME = re.compile("[a-z][-a-z0-9]*")
"""What a parent in an artifact.json may be called to be looked up: no path."""


@dataclass(frozen=True)
class Source:
    """What a step starts from."""

    artifact: Artifact
    factory: Factory
    """What makes the artifact's model."""
    splits: Splits

    @property
    def sample(self) -> Array:
        """The inputs of one validation sample, [1, ...]."""
        inputs, _ = read_batch(self.splits.validation, [0])
        return model_input(inputs)


@dataclass(frozen=True)
class Converted:
    """What a converter wrote."""

    format: str
    file: str
    """Name of the model's file."""
    inputs: list[Signature]
    outputs: list[Signature]
    tools: dict[str, str]
    """Versions of the packages that made it."""

    def describe(self, name: str, source: Source, recipe: JsonObject) -> Description:
        """The description of the artifact that the step `name` made of `source` with this; `recipe` is added to it."""
        return Description(
            name=name,
            format=self.format,
            model=source.factory,
            inputs=self.inputs,
            outputs=self.outputs,
            recipe=source.artifact.description.recipe | recipe,
            parent=source.artifact.as_parent,
            tools=self.tools,
        )


SubjectOf = Callable[[Artifact, Factory], Subject]
"""(artifact, what makes its model) -> the artifact of any format that the framework reads, ready to be measured."""
Converter = Callable[[Source, Path, bool], Converted]
"""(source, empty directory, whether any batch size must do) -> writes the converted model there."""


def subject_by_format(artifact: Artifact, factory: Factory, table: Mapping[str, SubjectOf], trainer: str) -> Subject:
    """The artifact, loaded from its files by what `table` has for its format, and ready to be measured.

    Raises:
        ConfigurationError: `trainer` reads no such format, or the artifact's model was not made by `factory`.
        ArtifactError: its files are not what their format demands.
    """
    format = artifact.description.format
    if format not in table:
        raise ConfigurationError(
            f"the artifact of step {artifact.description.name!r} has the format {format!r}; the {trainer} trainer reads"
            f" {', '.join(table)}"
        )
    return table[format](artifact, factory)


def read_source(context: StepContext) -> Source:
    """The accepted artifact, verified, and the job's data.

    Raises:
        ConfigurationError: there is no artifact yet, or the job has no model or no data.
        ArtifactError: the artifact is damaged.
    """
    configuration = context.configuration
    step = configuration.step
    if context.input is None:
        raise ConfigurationError(
            f"step {step.name!r}: {step.kind} needs the artifact of a step before it, such as train, and there is none"
        )
    if configuration.model is None:
        raise ConfigurationError(f"spec.model is missing: step {step.name!r} needs the model's factory")
    return Source(read_artifact(context.input), configuration.model, make_splits(configuration))


def lineage(context: StepContext, source: Source) -> list[Artifact]:
    """The artifact that the step starts from and those that it was made from, newest first.

    As far as they are still there unchanged, and were made by the same factory.
    """
    found = [source.artifact]
    while (parent := found[-1].description.parent) is not None and STEP_NAME.fullmatch(parent.name):
        directory = context.directory.parent / parent.name / context.output.name
        if not (directory / DESCRIPTION).is_file():
            break
        artifact = read_artifact(directory)
        if artifact.sha256 != parent.sha256 or artifact.description.model != source.factory:
            break
        found.append(artifact)
    return found


def field_of(context: StepContext) -> str:
    """Where the user wrote the step's options, such as `spec.steps[half].prune`."""
    step = context.configuration.step
    return f"spec.steps[{step.name}].{step.kind}"


def choose(table: Mapping[str, Choice], name: str, field: str) -> Choice:
    """The entry that the user chose by name in `field`.

    Raises:
        ConfigurationError: the trainer has none of that name.
    """
    if name not in table:
        raise ConfigurationError(f"{field}: this trainer has no {name!r}; {near_names(name, table)}")
    return table[name]
