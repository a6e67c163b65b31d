"""Where the time of a step of a JAX model goes."""

import gzip
import json

import pytest

from tests.trainers.jax.conftest import after
from tests.trainers.runs import Job
from trainwright.api.contract import StepResult

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_a_profile_names_the_dearest_operations_and_leaves_a_trace(
    mode: str, trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = trained
    options = {"steps": 3, "batchSize": 64, "mode": mode, "optimizer": {"name": "sgd"}}
    result = after(job, "profile", options, monkeypatch, name=f"where-{mode}")
    details = result.details
    operators = details["operators"]
    assert len(operators) > 2
    assert [entry["msPerStep"] for entry in operators] == sorted(
        (entry["msPerStep"] for entry in operators), reverse=True
    )
    assert 0.3 < sum(entry["share"] for entry in operators) <= 1.001
    assert all(entry["callsPerStep"] >= 1 for entry in operators)
    assert details["msPerStep"] > 0
    (path,) = details["files"]
    events = json.loads(gzip.decompress((job.root / path).read_bytes()))["traceEvents"]
    names = [event.get("name") for event in events]
    assert names.count("step") == 3, "what is recorded begins after the warm-up"
    assert operators[0]["name"] in names
    assert details["compilation"]["programs"] > 0
