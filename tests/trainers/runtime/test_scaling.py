"""What batch and learning rate become with another number of processes."""

import pytest

from trainwright.api.steps import Train
from trainwright_trainers.runtime.scaling import for_processes

SCALED = {"batchSize": 64, "optimizer": {"learningRate": 0.1}, "scaling": {"referenceProcesses": 4}}


def train(**changes: object) -> Train:
    return Train.model_validate(SCALED | changes)


def test_without_a_rule_nothing_changes() -> None:
    options = Train.model_validate({"batchSize": 64})
    assert for_processes(options, 16) is options


@pytest.mark.parametrize(
    ("rule", "processes", "batch", "rate"),
    [
        ("linear", 4, 64, 0.1),
        ("linear", 8, 128, 0.2),
        ("linear", 1, 16, 0.025),
        ("square-root", 16, 256, 0.2),
        ("square-root", 1, 16, 0.05),
        ("constant", 8, 128, 0.1),
    ],
)
def test_the_batch_follows_the_processes_and_the_rate_follows_the_batch(
    rule: str, processes: int, batch: int, rate: float
) -> None:
    found = for_processes(train(scaling={"referenceProcesses": 4, "learningRate": rule}), processes)
    assert found.batch_size == batch
    assert found.optimizer.learning_rate == pytest.approx(rate)


def test_a_batch_is_of_whole_samples_and_its_rate_fits_it() -> None:
    found = for_processes(train(batchSize=10, scaling={"referenceProcesses": 3}), 1)
    assert (found.batch_size, found.optimizer.learning_rate) == (3, pytest.approx(0.03))


def test_the_largest_rate_of_a_schedule_is_scaled_and_what_is_relative_is_not() -> None:
    schedule = {"name": "OneCycleLR", "args": {"max_lr": 0.4, "div_factor": 25}}
    found = for_processes(train(schedule=schedule), 2).schedule
    assert found is not None
    assert found.args == {"max_lr": pytest.approx(0.2), "div_factor": 25}
