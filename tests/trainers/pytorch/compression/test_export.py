"""An exported model gives the source's outputs for every batch size, or it is not an artifact."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from tests.trainers.fresh import fresh_outputs
from tests.trainers.pytorch.compression.conftest import MODEL, TRAINED, Chain, Start, context, run
from tests.trainers.pytorch.compression.data import digits
from trainwright.api.steps import Factory
from trainwright_trainers.chain.source import Converted, Source
from trainwright_trainers.data import Arrays
from trainwright_trainers.evaluation import ParityError
from trainwright_trainers.pytorch import export
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.artifacts import run as outputs_of
from trainwright_trainers.pytorch.export.onnx import convert_to_onnx
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.publishing import publish_model
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError

ONNX = {"name": "onnx", "export": {"format": "onnx"}}
MODELS = "tests.trainers.pytorch.compression.models:"


def published(root: Path, name: str) -> dict[str, Any]:
    """Publish an untrained model of tests' own as the train step's artifact; gives its factory."""
    factory = Factory(factory=MODELS + name)
    torch.manual_seed(0)
    publish_model(
        context(root, {"name": "train", "train": {}}, start=None, model=factory.to_dict()),
        make_model(factory),
        factory,
        digits().validation,
    )
    return factory.to_dict()


def test_onnx_model_gives_the_same_outputs_at_any_batch_size(chain: Chain) -> None:
    validation = digits().validation
    assert isinstance(validation, Arrays)
    model = load_model(read_artifact(chain.root / TRAINED), Factory.model_validate(MODEL))
    path = chain.artifact("onnx") / "model.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in (1, 3, 64, 300):
        inputs = validation.inputs[:size]
        with torch.inference_mode():
            wanted = model(torch.from_numpy(inputs)).numpy()
        np.testing.assert_allclose(session.run(["output"], {"x": inputs})[0], wanted, rtol=1e-3, atol=1e-4)
    result = chain.results["onnx"]
    assert result.details["largestDifference"] < 1e-4
    assert result.details["labelAgreement"] == 1
    assert result.metrics.accuracy == result.reference.accuracy


def test_exported_artifact_says_what_goes_in_and_out(chain: Chain) -> None:
    description = read_artifact(chain.artifact("onnx")).description
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in description.inputs] == [
        ("x", "float32", ["batch", 1, 8, 8])
    ]
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in description.outputs] == [
        ("output", "float32", ["batch", 10])
    ]
    assert [file.path for file in description.files] == ["manifest.json", "model.onnx"]
    assert description.model == Factory.model_validate(MODEL)
    assert {"torch", "onnx", "onnxruntime"} <= description.tools.keys()


def test_exported_file_does_not_tell_where_the_code_lay(chain: Chain) -> None:
    content = (chain.artifact("onnx") / "model.onnx").read_bytes()
    assert b"resnet.py" not in content
    assert str(Path(torch.__file__).parent).encode() not in content


def test_int8_model_stays_int8(chain: Chain, go_on: Start) -> None:
    step = go_on(ONNX, after="int8")
    result = run(step)
    assert (step.output / "model.onnx").read_bytes() == (chain.artifact("int8") / "model.onnx").read_bytes()
    assert result.details["largestDifference"] == 0
    assert read_artifact(step.output).description.recipe["quantized"]["scheme"] == "int8-static"


def test_triton_repository_is_configured_as_the_model_is(
    go_on: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    step = go_on({"name": "triton", "export": {"format": "onnx", "layout": "triton"}}, after="onnx")
    run(step)
    assert sorted(str(path.relative_to(step.output)) for path in step.output.rglob("*") if path.is_file()) == [
        "artifact.json",
        "digits/1/model.onnx",
        "digits/config.pbtxt",
        "manifest.json",
    ]
    text = (step.output / "digits" / "config.pbtxt").read_text()
    assert text.splitlines() == [
        'name: "digits"',
        'platform: "onnxruntime_onnx"',
        "max_batch_size: 64",
        'input [ { name: "x" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] } ]',
        'output [ { name: "output" data_type: TYPE_FP32 dims: [ 10 ] } ]',
        "dynamic_batching {}",
    ]
    model = step.output / "digits" / "1" / "model.onnx"
    assert [tensor.name for tensor in onnxruntime.InferenceSession(model).get_inputs()] == ["x"]
    validation = digits().validation
    assert isinstance(validation, Arrays)
    wanted = outputs_of(
        load_model(read_artifact(step.root / TRAINED), Factory.model_validate(MODEL)), validation.inputs
    )
    for found in fresh_outputs({"model": model}, validation.inputs, tmp_path_factory.mktemp("served")).values():
        np.testing.assert_allclose(found, wanted[: len(found)], rtol=1e-3, atol=1e-4)


def test_fixed_batch_takes_one_sample_at_a_time(go_on: Start) -> None:
    options = {"format": "onnx", "dynamicBatch": False, "layout": "triton"}
    step = go_on({"name": "one", "export": options}, after="onnx")
    result = run(step)
    session = onnxruntime.InferenceSession(step.output / "digits" / "1" / "model.onnx")
    assert session.get_inputs()[0].shape == [1, 1, 8, 8]
    assert result.metrics.accuracy == result.reference.accuracy
    assert read_artifact(step.output).description.inputs[0].shape == [1, 1, 8, 8]
    configuration = (step.output / "digits" / "config.pbtxt").read_text()
    assert "max_batch_size: 0" in configuration
    assert "dims: [ 1, 1, 8, 8 ]" in configuration
    assert "dims: [ 1, 10 ]" in configuration
    assert "dynamic_batching" not in configuration


def test_batch_size_that_the_exporter_fixed_is_an_error(storage: Path) -> None:
    model = published(storage, "FixedBatch")
    with pytest.raises(ConfigurationError, match=r"can't take any batch size: its image has the shape \[2, 1, 8, 8\]"):
        run(context(storage, ONNX, model=model))
    assert not (storage / "steps/onnx/artifact").exists()
    step = {"name": "one", "export": {"format": "onnx", "dynamicBatch": False}}
    assert run(context(storage, step, model=model)).outcome == "Succeeded"


def test_model_with_a_fixed_batch_cannot_be_exported_for_any(go_on: Start) -> None:
    run(go_on({"name": "one", "export": {"format": "onnx", "dynamicBatch": False}}, after="onnx"))
    with pytest.raises(ConfigurationError, match=r"can't take any batch size: its x has the shape \[1, 1, 8, 8\]"):
        run(go_on(ONNX, after="one"))


def test_model_that_cannot_be_traced_is_the_users_to_mend(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = published(storage, "Branching")
    capfd.readouterr()
    with pytest.raises(ConfigurationError, match=r"can't be converted to ONNX: Could not guard") as caught:
        run(context(storage, ONNX, model=model))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def damaged(source: Source, directory: Path, dynamic_batch: bool) -> Converted:
    """A converter that gets one of 650 weights wrong."""
    converted = convert_to_onnx(source, directory, dynamic_batch)
    model = onnx.load(directory / "model.onnx")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.weight")
    weight = numpy_helper.to_array(tensor).copy()
    weight[3, 20] += 0.01
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    onnx.save(model, directory / "model.onnx")
    return converted


def test_converter_that_gets_one_weight_wrong_is_caught(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(export.FORMATS, "onnx", damaged)
    step = context(storage, ONNX, model=published(storage, "Linear"))
    with pytest.raises(ParityError, match="outputs differ by up to"):
        run(step)
    assert not step.output.exists()
    assert not step.output.parent.joinpath("artifact.draft").exists()


def test_export_is_silent(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    step = context(storage, ONNX, model=published(storage, "Linear"))
    run(step)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", ["saved-model", "stablehlo", "mxnet-symbol"])
def test_format_that_is_not_offered_is_refused(start: Start, format: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"spec\.steps\[onnx\]\.export\.format.*no '{format}'.*onnx"):
        run(start({"name": "onnx", "export": {"format": format}}))


def test_step_without_an_artifact_before_it_is_refused(start: Start) -> None:
    with pytest.raises(ConfigurationError, match="step 'onnx': export needs the artifact of a step before it"):
        run(start(ONNX, start=None))
