"""A restart finds the programs that the attempt before it compiled."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainers.jax.conftest import MODELS
from tests.trainers.runs import Job, run_group

pytestmark = pytest.mark.slow


def test_a_restart_compiles_nothing_that_the_attempt_before_it_compiled(tmp_path: Path) -> None:
    options = {"epochs": 4, "batchSize": 65, "optimizer": {"name": "adam"}, "checkpoint": {"everySteps": 1000}}
    acts = {"ONCE": str(tmp_path / "once"), "AT": str(33 * 30), "AT_RANK": "0"}
    data = {"factory": "tests.trainers.contract.acting_data:that_stops"}
    job = replace(Job(tmp_path / "job", options, MODELS["cnn"], data, framework="jax"), environment=acts)
    first = run_group(job)
    assert first.exit_code == 143, first.log
    second = run_group(job)
    assert second.exit_code == 0, second.log
    before, after = (ended.result.details["compilation"] for ended in (first, second))
    assert before["fromCache"] == 0
    assert before["programs"] > 0
    assert after["fromCache"] > 0
    assert after["seconds"] < before["seconds"]
