"""What the options of a distillation mean, whatever the framework that computes it."""

from dataclasses import dataclass

from trainwright.api.base import JsonObject
from trainwright.api.steps import Distill
from trainwright_trainers.evaluation.quality import Quality


@dataclass(frozen=True)
class Weights:
    """How the two parts of the student's loss are weighed.

    The loss is `soft * KL(teacher || student) + hard * train.loss`, a mean over the targets. In the first part, both
    models' outputs are divided by the temperature before they become probabilities along the second dimension.
    """

    temperature: float
    soft: float
    hard: float


def weights_of(options: Distill) -> Weights:
    """The weights. The square of the temperature keeps the soft part's gradients as large at any temperature
    (Hinton et al. 2015, https://arxiv.org/abs/1503.02531)."""
    return Weights(options.temperature, options.alpha * options.temperature**2, 1 - options.alpha)


def comparison(teacher: Quality, student: Quality, alone: Quality | None) -> JsonObject:
    """For the result's details: how well teacher, student, and the student without its teacher answer."""
    found = {"teacher": teacher, "student": student, "studentAlone": alone}
    return {
        name: {"loss": quality.loss, **({} if quality.accuracy is None else {"accuracy": quality.accuracy})}
        for name, quality in found.items()
        if quality is not None
    }
