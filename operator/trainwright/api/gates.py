"""A gate: the limits that a step's measured metrics are held to."""

from typing import ClassVar, Literal

from pydantic import Field

from trainwright.api.base import Model, Rule

METRICS = ("accuracy", "loss", "latency", "size", "parameters")
"""What a gate can hold a step to, by the names of its fields."""

HIGHER_IS_BETTER = frozenset({"accuracy"})
"""For the other metrics less is better."""


class Goal(Model):
    """Limits on one metric; every one that is set must hold. The names are Olive's."""

    max_degradation: float | None = Field(default=None, ge=0)
    """How much worse than the reference the metric may be, in the metric's own unit (0.01 = one point of accuracy)."""

    percent_max_degradation: float | None = Field(default=None, ge=0, le=100)
    """How much worse than the reference the metric may be, in percent of the reference."""

    min_improvement: float | None = Field(default=None, ge=0)
    """How much better than the reference the metric must be, in the metric's own unit."""

    percent_min_improvement: float | None = Field(default=None, ge=0)
    """How much better than the reference the metric must be, in percent of the reference."""

    threshold: float | None = None
    """The metric's own bound: at least this for accuracy, at most this for loss, latency, size and parameters."""

    rules: ClassVar = (
        Rule(
            "has(self.maxDegradation) || has(self.percentMaxDegradation) || has(self.minImprovement)"
            " || has(self.percentMinImprovement) || has(self.threshold)",
            "a goal needs at least one of maxDegradation, percentMaxDegradation, minImprovement,"
            " percentMinImprovement, threshold",
        ),
    )


class Gate(Model):
    """What a step's result must satisfy to become the accepted artifact.

    The measured metrics are compared with the last accepted artifact's, or with the first trained one's.
    """

    accuracy: Goal | None = None
    """Share of right answers on the validation split, from 0 to 1."""

    loss: Goal | None = None
    """Mean loss on the validation split."""

    latency: Goal | None = None
    """Median time of one inference at batch size 1, in milliseconds."""

    size: Goal | None = None
    """Bytes of the artifact's files."""

    parameters: Goal | None = None
    """Number of stored weights; weights that are exactly zero don't count."""

    against: Literal["previous", "baseline"] = "previous"
    """What to compare with: the last accepted artifact, or the first one that was trained."""

    on_miss: Literal["Fail", "Rollback", "Warn"] = "Fail"
    """On a miss: fail the job, keep the previous artifact and go on, or say so and accept the artifact."""

    rules: ClassVar = (
        Rule(
            "has(self.accuracy) || has(self.loss) || has(self.latency) || has(self.size) || has(self.parameters)",
            "a gate needs at least one of accuracy, loss, latency, size, parameters",
        ),
        Rule(
            "!has(self.accuracy) || !has(self.accuracy.threshold)"
            " || (self.accuracy.threshold >= 0.0 && self.accuracy.threshold <= 1.0)",
            "accuracy is a share from 0 to 1; got a threshold of %s",
            ".accuracy",
            ("self.accuracy.threshold",),
        ),
        *(
            Rule(
                f"!has(self.accuracy) || !has(self.accuracy.{limit}) || self.accuracy.{limit} < 1.0",
                f"accuracy is a share from 0 to 1, so {limit} must be less than 1, such as 0.01 for one point; got %s",
                ".accuracy",
                (f"self.accuracy.{limit}",),
            )
            for limit in ("maxDegradation", "minImprovement")
        ),
        *(
            Rule(
                f"!has(self.{metric}) || !has(self.{metric}.percentMinImprovement)"
                f" || self.{metric}.percentMinImprovement < 100.0",
                f"{metric} can not fall by %s percent: percentMinImprovement must be less than 100",
                f".{metric}",
                (f"self.{metric}.percentMinImprovement",),
            )
            for metric in ("latency", "size", "parameters")
        ),
    )
