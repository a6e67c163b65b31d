"""What the options of a distillation mean."""

from trainwright.api.steps import Distill
from trainwright_trainers.evaluation.quality import Quality
from trainwright_trainers.runtime.distillation import Weights, comparison, weights_of

STUDENT = {"factory": "m:student"}


def test_the_soft_part_grows_with_the_square_of_the_temperature() -> None:
    options = Distill.model_validate({"student": STUDENT, "temperature": 4.0, "alpha": 0.25})
    assert weights_of(options) == Weights(temperature=4.0, soft=0.25 * 16, hard=0.75)


def test_the_comparison_tells_what_was_measured_and_no_more() -> None:
    quality = Quality(loss=0.5, accuracy=0.75, samples_per_second=1.0)
    assert comparison(quality, Quality(1.0, None, 1.0), None) == {
        "teacher": {"loss": 0.5, "accuracy": 0.75},
        "student": {"loss": 1.0},
    }
