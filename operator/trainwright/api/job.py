"""The TrainingJob itself, and the rules that bind its parts."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from trainwright.api.base import Model, Rule, Time
from trainwright.api.capability_rules import CAPABILITY_RULES, TRAININGS
from trainwright.api.gates import METRICS
from trainwright.api.policies import RunPolicy, Scheduling, Storage, Workers
from trainwright.api.status import TrainingJobStatus
from trainwright.api.steps import KINDS, Factory, Step

Framework = Literal["pytorch", "tensorflow", "jax", "mxnet"]

_NEEDS_MODEL = " || ".join(f"has(s.{kind})" for kind in KINDS if kind != "run")
_RELATIVE_LIMITS = ("maxDegradation", "percentMaxDegradation", "minImprovement", "percentMinImprovement")
_CHANGED = "can not be changed: make a new TrainingJob"


def _has_relative_limit(goal: str) -> str:
    return f"has({goal}) && ({' || '.join(f'has({goal}.{limit})' for limit in _RELATIVE_LIMITS)})"


def _batch_rule(kind: str, train: str) -> Rule:
    offending = f"has(s.{kind}) && !has({train}.scaling) && {train}.batchSize < self.workers.replicas"
    first = f"self.steps.filter(s, {offending})[0]"
    return Rule(
        f"!self.steps.exists(s, {offending})",
        "step %s: batchSize (%s) counts the samples of all workers together: it must be at least workers.replicas (%s)",
        ".steps",
        (f"{first}.name", train.replace("s.", f"{first}.", 1) + ".batchSize", "self.workers.replicas"),
    )


def _servers_rule(kind: str, train: str) -> Rule:
    servers = f"{train}.collectives.servers"
    asked = f"has(s.{kind}) && has({train}.collectives) && has({servers}) && {servers} > 1"
    offending = f"{asked} && {servers} > self.workers.replicas"
    first = f"self.steps.filter(s, {offending})[0]"
    return Rule(
        f"!self.steps.exists(s, {offending})",
        "step %s: collectives.servers (%s) run beside one worker each: it must be at most workers.replicas (%s)",
        ".steps",
        (f"{first}.name", servers.replace("s.", f"{first}.", 1), "self.workers.replicas"),
    )


_WITH_ROLES = "has(s.run) && has(s.run.roles)"
_ROLES = {"tensorflow": ("chief", "ps", "evaluator"), "mxnet": ("scheduler", "server")}
"""The roles of each framework's programs, besides workers."""
_OTHERS = " + ".join(f"s.run.roles.{role}" for roles in _ROLES.values() for role in roles)
_TOO_MANY = f"{_WITH_ROLES} && {_OTHERS} >= self.workers.replicas"
_FIRST_TOO_MANY = f"self.steps.filter(s, {_TOO_MANY})[0]"
_INCOMPLETE = f"{_WITH_ROLES} && (s.run.roles.scheduler < 1 || s.run.roles.server < 1)"
_FIRST_INCOMPLETE = f"self.steps.filter(s, {_INCOMPLETE})[0]"


def _foreign_roles_rule(framework: str, owner: str) -> Rule:
    """No program of `framework` has the roles of `owner`."""
    own, others = (" and ".join(_ROLES[name]) for name in (framework, owner))
    offending = f"{_WITH_ROLES} && {' + '.join(f's.run.roles.{role}' for role in _ROLES[owner])} > 0"
    return Rule(
        f"self.framework != '{framework}' || !self.steps.exists(s, {offending})",
        f"step %s: {framework} has no run.roles {others}; it has {own}",
        ".steps",
        (f"self.steps.filter(s, {offending})[0].name",),
    )


class TrainingJobSpec(Model):
    """What the user wants."""

    framework: Framework
    """The framework that the model is written in."""

    model: Factory | None = None
    """Makes the model; returns the framework's own module. After a distillation, the student takes its place."""

    data: Factory | None = None
    """Makes the data; returns train, validation and calibration splits."""

    seed: int = Field(default=0, ge=0, le=4_294_967_295)
    """Seed of every random number: the initial weights, the order of the data, dropout."""

    workers: Workers = Workers()
    """The group that distributed steps run on."""

    storage: Storage = Storage()
    """Where checkpoints and artifacts live."""

    steps: list[Step] = Field(min_length=1, max_length=32)
    """What is done, in order. Each step starts from the newest accepted artifact that it can take."""

    run_policy: RunPolicy = RunPolicy()
    """How long the job may run, how often it may fail, and what stays of it."""

    scheduling: Scheduling = Scheduling()
    """How the pods are queued and placed."""

    managed_by: str | None = Field(default=None, min_length=1, max_length=63)
    """Who reconciles the object; this operator when not set. For controllers that hand jobs to other clusters."""

    rules: ClassVar = (
        Rule(
            "self.steps.all(s, self.steps.exists_one(t, t.name == s.name))",
            "two steps have the name %s; each needs its own",
            ".steps",
            ("self.steps.filter(s, !self.steps.exists_one(t, t.name == s.name))[0].name",),
        ),
        *(
            Rule(
                f"has(self.{field}) || !self.steps.exists(s, {_NEEDS_MODEL})",
                f"is missing; step %s needs {field}: {{factory: package.module:callable}}",
                f".{field}",
                (f"self.steps.filter(s, {_NEEDS_MODEL})[0].name",),
            )
            for field in ("model", "data")
        ),
        Rule(
            "has(self.steps[0].train) || has(self.steps[0].run) || has(self.steps[0].distill)"
            " && has(self.steps[0].distill.teacher)",
            "the first step, %s, has no artifact to start from: it must be train, run, or distill with a teacher",
            ".steps",
            ("self.steps[0].name",),
        ),
        Rule(
            "!has(self.steps[0].gate) || self.steps[0].gate.onMiss != 'Rollback'",
            "the first step, %s, has nothing to roll back to: onMiss must be Fail or Warn",
            ".steps",
            ("self.steps[0].name",),
        ),
        *(
            Rule(
                f"!has(self.steps[0].gate) || !({_has_relative_limit(f'self.steps[0].gate.{metric}')})",
                f"the first step, %s, has nothing to compare its {metric} with: its goal can have a threshold only",
                ".steps",
                ("self.steps[0].name",),
            )
            for metric in METRICS
        ),
        *(rule(kind, f"s.{place}") for rule in (_batch_rule, _servers_rule) for kind, place in TRAININGS.items()),
        Rule(
            f"self.framework in {list(_ROLES)} || !self.steps.exists(s, {_WITH_ROLES})",
            f"step %s: run.roles are for the frameworks {' and '.join(_ROLES)}",
            ".steps",
            (f"self.steps.filter(s, {_WITH_ROLES})[0].name",),
        ),
        _foreign_roles_rule("tensorflow", "mxnet"),
        _foreign_roles_rule("mxnet", "tensorflow"),
        Rule(
            f"self.framework != 'mxnet' || !self.steps.exists(s, {_INCOMPLETE})",
            "step %s: run.roles have %s scheduler and %s servers; MXNet needs one scheduler and at least one server",
            ".steps",
            tuple(f"{_FIRST_INCOMPLETE}.{field}" for field in ("name", "run.roles.scheduler", "run.roles.server")),
        ),
        Rule(
            f"!self.steps.exists(s, {_TOO_MANY})",
            "step %s: run.roles take %s of the %s workers; at least one must be left",
            ".steps",
            (
                f"{_FIRST_TOO_MANY}.name",
                _OTHERS.replace("s.run", f"{_FIRST_TOO_MANY}.run"),
                "self.workers.replicas",
            ),
        ),
        *CAPABILITY_RULES,
        *(
            Rule(f"self.{field} == oldSelf.{field}", _CHANGED, f".{field}")
            for field in ("framework", "seed", "storage", "steps")
        ),
        *(
            Rule(
                f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
                _CHANGED,
                f".{field}",
            )
            for field in ("model", "data", "managedBy")
        ),
    )


class Metadata(Model):
    """The object's metadata, as far as the operator reads it."""

    model_config = ConfigDict(extra="allow")

    name: str
    """Name of the job; its pods' names begin with it."""

    namespace: str = "default"
    """Namespace of the job and of all that belongs to it."""

    uid: str = ""
    """Tells this object from an earlier one of the same name."""

    generation: int = 1
    """Counts changes of the spec."""

    creation_timestamp: Time | None = None
    """When the object was made."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, metadata: Any) -> Any:
        """A null is a field that is not set, as everywhere in Kubernetes."""
        if isinstance(metadata, dict):
            return {name: value for name, value in metadata.items() if value is not None}
        return metadata


class TrainingJob(Model):
    """From training to something that can be served: steps in order, each held to its gate."""

    api_version: Literal["trainwright.dev/v1alpha1"] = "trainwright.dev/v1alpha1"
    """The schema's group and version."""

    kind: Literal["TrainingJob"] = "TrainingJob"
    """The kind of object."""

    metadata: Metadata
    """Standard object metadata."""

    spec: TrainingJobSpec
    """What the user wants."""

    status: TrainingJobStatus = TrainingJobStatus()
    """Where the job stands; written by the operator."""

    rules: ClassVar = (
        Rule(
            "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "got %s; expected at most 40 lower-case letters, digits and -, beginning with a letter"
            " and ending with a letter or digit: the pods are named after it",
            ".metadata.name",
            ("self.metadata.name",),
        ),
    )

    def with_model(self, model: Factory | None) -> "TrainingJob":
        """The same object as its later steps see it, whose model is that of another factory."""
        return self.model_copy(update={"spec": self.spec.model_copy(update={"model": model})})

    def with_status(self, status: Mapping[str, Any]) -> "TrainingJob":
        """The same object with another status."""
        return self.model_copy(update={"status": TrainingJobStatus.model_validate(status)})
