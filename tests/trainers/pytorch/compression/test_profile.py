"""The profile step says where the time goes, within what a termination message holds."""

import gzip
import json

import pytest

from tests.trainers.pytorch.compression.conftest import Start, run
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.runtime.results import fit


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_dearest_operators_are_in_the_result_and_the_trace_beside_it(start: Start, mode: str) -> None:
    step = start({"name": "where", "profile": {"steps": 3, "batchSize": 64, "mode": mode}})
    result = run(step)
    operators = result.details["operators"]
    assert 5 <= len(operators) <= 10
    assert [one["msPerStep"] for one in operators] == sorted((one["msPerStep"] for one in operators), reverse=True)
    assert 0 < sum(one["share"] for one in operators) <= 1.001
    names = {one["name"] for one in operators}
    assert any("convolution" in name for name in names)
    assert any("backward" in name.lower() for name in names) == (mode == "training")
    trace = json.loads(gzip.decompress((step.directory / "trace.json.gz").read_bytes()))
    steps = {event["name"] for event in trace["traceEvents"] if str(event.get("name", "")).startswith("ProfilerStep")}
    assert len(steps) == 3
    assert "aten::" in (step.directory / "operators.txt").read_text()
    assert result.details["files"] == ["steps/where/trace.json.gz", "steps/where/operators.txt"]
    assert b'"operators"' in fit(result)  # the message has room for them
    assert not step.output.exists()


def test_exported_model_cannot_be_profiled(go_on: Start) -> None:
    with pytest.raises(ConfigurationError, match="this step needs a safetensors model"):
        run(go_on({"name": "where", "profile": {"steps": 1}}, after="onnx"))
