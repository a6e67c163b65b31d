"""The capabilities as rules of a job's spec: a step that its framework can't do is refused at `kubectl apply`."""

from collections.abc import Iterator

from trainwright.api.base import Rule
from trainwright.api.capabilities import CAPABILITIES, FIELDS, TRAIN_OPTIONS, Capabilities
from trainwright.api.steps import KINDS

_OPTIMIZERS = {
    "train": "train.optimizer",
    "distill": "distill.train.optimizer",
    "prune": "prune.optimizer",
    "profile": "profile.optimizer",
}
TRAININGS = {"train": "train", "distill": "distill.train"}
"""The kinds of steps that train, and where each says how."""
_SCHEDULES = {kind: f"{place}.schedule" for kind, place in TRAININGS.items()}


def _refuse(framework: str, offending: str, lacks: str, value: str = "") -> Rule:
    """A rule that no step `s` of the framework's jobs is as `offending` says; `lacks` tells of the `value` in it."""
    first = f"self.steps.filter(s, {offending})[0]"
    return Rule(
        f"self.framework != '{framework}' || !self.steps.exists(s, {offending})",
        f"step %s: {framework} has no {lacks}",
        ".steps",
        (f"{first}.name", f"{first}.{value}") if value else (f"{first}.name",),
    )


def _kind_rule(framework: str, able: Capabilities) -> Iterator[Rule]:
    missing = [kind for kind in KINDS if kind not in able.kinds]
    if not missing:
        return
    lacks = f"trainer for {', '.join(missing)}; it has {', '.join(able.kinds)}" if able.kinds else "trainers yet"
    yield _refuse(framework, " || ".join(f"has(s.{kind})" for kind in missing), lacks)


def _word_rules(framework: str, able: Capabilities) -> Iterator[Rule]:
    """Rules on the fields whose words the schema lists."""
    for capability, (owner, field, words) in FIELDS.items():
        can: tuple[str, ...] = getattr(able, capability)
        refused = [word for word in words if word not in can]
        for kind, place in (TRAININGS if owner == "train" else {owner: owner}).items():
            if kind in able.kinds and refused:
                value = f"{place}.{field}"
                offending = f"{_has(kind, place)} && has(s.{value}) && s.{value} in {refused}"
                yield _refuse(framework, offending, f"{place} {field} %s; it has {', '.join(can)}", value)


def _name_rules(framework: str, able: Capabilities) -> Iterator[Rule]:
    """Rules on the names of optimizers and schedules, which are the framework's own; case doesn't matter."""
    for what, places, can in (("optimizer", _OPTIMIZERS, able.optimizers), ("schedule", _SCHEDULES, able.schedules)):
        known = [name.lower() for name in can]
        for kind, place in places.items():
            if kind in able.kinds:
                offending = f"has(s.{kind}) && has(s.{place}) && !(s.{place}.name.lowerAscii() in {known})"
                yield _refuse(framework, offending, f"{what} %s; it has {', '.join(can)}", f"{place}.name")


def _option_rules(framework: str, able: Capabilities) -> Iterator[Rule]:
    """Rules on the options of a training."""
    missing = [option for option in TRAIN_OPTIONS if option not in able.train_options]
    for kind, place in TRAININGS.items():
        if kind in able.kinds and missing:
            asked = " || ".join(f"({TRAIN_OPTIONS[option].format(f's.{place}')})" for option in missing)
            offending = f"{_has(kind, place)} && ({asked})"
            yield _refuse(framework, offending, f"{place} options {', '.join(missing)}")


def _has(kind: str, place: str) -> str:
    """Whether a step is of the kind and has the place in it, in CEL."""
    return f"has(s.{kind})" if kind == place else f"has(s.{kind}) && has(s.{place})"


CAPABILITY_RULES = tuple(
    rule
    for framework, able in CAPABILITIES.items()
    for make in (_kind_rule, _word_rules, _option_rules, _name_rules)
    for rule in make(framework, able)
)
"""Every rule that the table of capabilities makes."""
