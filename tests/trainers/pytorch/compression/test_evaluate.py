"""The evaluate step measures any artifact and leaves it as it is."""

from pathlib import Path

import numpy as np
import pytest

from tests.trainers.pytorch.compression.conftest import MODEL, TRAINED, Chain, Start, run
from tests.trainers.pytorch.compression.data import digits
from trainwright.api.steps import Factory
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError


def contents(directory: Path) -> dict[str, bytes]:
    """All files of a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["train", "onnx", "int8"])
def test_every_format_is_measured_and_left_as_it_is(chain: Chain, go_on: Start, name: str) -> None:
    step = go_on({"name": "check", "evaluate": {"batchSize": 50}}, after=name)
    assert step.input is not None
    before = contents(step.input)
    result = run(step)
    assert contents(step.input) == before
    assert result.artifact is None
    assert not step.output.exists()
    recorded = read_artifact(step.input).description.metrics
    assert result.metrics.accuracy == pytest.approx(recorded.accuracy, abs=0.005)
    assert result.metrics.loss == pytest.approx(recorded.loss, rel=0.01)
    assert result.metrics.size_bytes == recorded.size_bytes
    assert result.metrics.parameters == recorded.parameters
    assert result.metrics.latency_ms is not None
    assert 0 < result.metrics.latency_ms <= result.details["latencyP95Ms"]
    assert result.reference == result.metrics


def test_ancestors_are_measured_in_the_same_process(go_on: Start) -> None:
    options = {"latencyBatchSizes": [1, 16], "threads": 2, "batchSize": 100}
    result = run(go_on({"name": "check", "evaluate": options}, after="int8"))
    models = result.details["models"]
    assert [(model["name"], model["format"]) for model in models] == [("int8", "onnx"), ("train", "safetensors")]
    assert models[0]["accuracy"] == result.metrics.accuracy
    for model in models:
        assert [entry["batchSize"] for entry in model["byBatchSize"]] == [1, 16]
        for entry in model["byBatchSize"]:
            assert 0 < entry["p50Ms"] <= entry["p95Ms"]
            assert entry["samplesPerSecond"] == pytest.approx(1000 * entry["batchSize"] / entry["p50Ms"], rel=0.01)
        assert model["accuracy"] <= model["top5Accuracy"] <= 1


def test_confusions_add_up_to_the_accuracy(go_on: Start) -> None:
    result = run(go_on({"name": "check", "evaluate": {"latencyBatchSizes": [1]}}, after="train"))
    matrix = np.array(result.details["confusionMatrix"])
    validation = digits().validation
    assert matrix.shape == (10, 10)
    assert matrix.sum(axis=1).tolist() == np.bincount([label for _, label in validation], minlength=10).tolist()
    assert matrix.trace() / matrix.sum() == pytest.approx(result.metrics.accuracy)
    for entry in result.details["confusions"]:
        assert matrix[entry["label"], entry["answer"]] == entry["count"] > 0


def test_ancestor_that_was_changed_is_left_out(go_on: Start) -> None:
    step = go_on({"name": "check", "evaluate": {"latencyBatchSizes": [1]}}, after="onnx")
    path = step.root / TRAINED / "artifact.json"
    path.write_text(path.read_text() + "\n")
    assert [model["name"] for model in run(step).details["models"]] == ["onnx"]


def test_train_step_leaves_its_metrics_in_the_artifact(trained: Path) -> None:
    metrics = read_artifact(trained / TRAINED).description.metrics
    assert metrics.accuracy is not None
    assert metrics.accuracy > 0.93
    weights = make_model(Factory.model_validate(MODEL)).parameters()
    assert metrics.parameters == sum(weight.numel() for weight in weights)
    assert metrics.sparsity == 0


def test_unknown_format_is_refused(go_on: Start) -> None:
    step = go_on({"name": "check", "evaluate": {}}, after="onnx")
    assert step.input is not None
    path = step.input / "artifact.json"
    path.write_text(path.read_text().replace('"format": "onnx"', '"format": "h5"'))
    with pytest.raises(ConfigurationError, match="format 'h5'; the PyTorch trainer reads safetensors, onnx, pt2"):
        run(step)
