"""Several trainings told as one step."""

import pytest

from trainwright_trainers.runtime.phases import Phase
from trainwright_trainers.runtime.progress import Progress


def figures(progress: Progress) -> dict[str, float]:
    return {family.name.removeprefix("trainwright_training_"): family.samples[0].value for family in progress.collect()}


def test_the_first_of_two_trainings_is_half_of_the_work() -> None:
    whole = Progress()
    Phase(whole, 0, 2).update(step=5, progress_ratio=0.5, eta_seconds=10.0)
    assert figures(whole)["progress_ratio"] == 0.25
    assert figures(whole)["eta_seconds"] == 10 + 20  # the other one takes twice as long as what is left of this
    assert whole.step == 5


def test_the_second_of_two_ends_with_the_whole() -> None:
    whole = Progress()
    phase = Phase(whole, 1, 2)
    phase.update(progress_ratio=0.5, eta_seconds=10.0)
    assert (figures(whole)["progress_ratio"], figures(whole)["eta_seconds"]) == (0.75, 10)
    phase.update(progress_ratio=1.0, eta_seconds=0.0)
    assert figures(whole)["progress_ratio"] == pytest.approx(1)
