"""Where the time of a step of a Keras model goes."""

import pytest

from tests.trainers.runs import Job
from tests.trainers.tensorflow.conftest import after
from trainwright.api.contract import StepResult

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("mode", "dearest"), [("training", "Conv2DBackprop"), ("inference", "Conv2D")])
def test_a_profile_names_the_dearest_operations_and_leaves_logs_for_tensorboard(
    mode: str, dearest: str, trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    job, _ = trained
    options = {"steps": 3, "batchSize": 64, "mode": mode, "optimizer": {"name": "sgd"}}
    result = after(job, "profile", options, monkeypatch, name=f"where-{mode}")
    details = result.details
    operators = details["operators"]
    assert any(dearest in entry["name"] for entry in operators), operators
    times = [entry["msPerStep"] for entry in operators]
    assert times == sorted(times, reverse=True)
    assert 0.3 < sum(entry["share"] for entry in operators) <= 1.001
    assert all(entry["callsPerStep"] >= 1 for entry in operators)
    logs, table = (job.root / path for path in details["files"])
    assert logs.relative_to(job.root).parts[:5] == ("steps", f"where-{mode}", "tensorboard", "plugins", "profile")
    space = xplane_pb2.XSpace.FromString(logs.read_bytes())
    events = [(plane, event) for plane in space.planes for line in plane.lines for event in line.events]
    names = [plane.event_metadata[event.metadata_id].name for plane, event in events]
    assert names.count("read batch") == 3, "what is recorded begins after the warm-up"
    assert operators[0]["name"] in table.read_text()
