"""Every format is loaded by its own runtime in a process without trainwright, and gives the trained model's outputs."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
import yaml

from tests.trainers.fresh import BATCHES, fresh_outputs
from tests.trainers.pytorch.compression.conftest import MODEL, TRAINED, Chain, Start, context, run
from tests.trainers.pytorch.compression.data import digits
from tests.trainers.pytorch.compression.test_export import published
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array, Arrays
from trainwright_trainers.evaluation import ParityError
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.artifacts import run as outputs_of
from trainwright_trainers.pytorch.programs import open_pt2, open_torchscript
from trainwright_trainers.runtime.artifacts import ArtifactError, read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError

FORMATS = ("onnx", "pt2", "torchscript-trace", "torchscript-script", "tflite")
FILES = {"onnx": "model.onnx", "pt2": "model.pt2", "tflite": "model.tflite"}


def model_file(chain: Chain, format: str) -> Path:
    """The file of the model that was exported to a format."""
    return chain.artifact(format) / FILES.get(format, "model.pt")


def export_step(format: str, **options: object) -> dict[str, object]:
    """A step with the format's name that exports to it."""
    return {"name": format[:16], "export": {"format": format, **options}}


def samples(count: int = 64) -> Array:
    """Inputs of real samples."""
    validation = digits().validation
    assert isinstance(validation, Arrays)
    return validation.inputs[:count]


def trained_outputs(root: Path, inputs: Array) -> Array:
    """What the trained model gives."""
    return outputs_of(load_model(read_artifact(root / TRAINED), Factory.model_validate(MODEL)), inputs)


@pytest.fixture(scope="module")
def exports(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The trained model in every format."""
    root = tmp_path_factory.mktemp("exports")
    shutil.copytree(trained, root, dirs_exist_ok=True)
    results = {}
    for format in FORMATS:
        step = export_step(format, dynamicBatch=format != "tflite")
        results[format] = run(context(root, step))
        (root / "steps" / format[:16]).rename(root / "steps" / format) if len(format) > 16 else None
    return Chain(root, results)


@pytest.fixture(scope="module")
def reread(exports: Chain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    """By format and batch size, the outputs in a process that imports nothing of ours."""
    files = {format: model_file(exports, format) for format in FORMATS}
    return fresh_outputs(files, samples(), tmp_path_factory.mktemp("reread"))


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_format_gives_the_trained_models_outputs_without_trainwright(
    exports: Chain, reread: dict[str, Array], format: str
) -> None:
    wanted = trained_outputs(exports.root, samples())
    assert np.ptp(wanted) > 5  # a trained model's outputs
    for size in BATCHES:
        np.testing.assert_allclose(reread[f"{format}-{size}"], wanted[:size], rtol=1e-3, atol=1e-4)
    result = exports.results[format]
    assert result.metrics.accuracy == result.reference.accuracy
    assert result.metrics.parameters is not None and result.reference.parameters is not None
    # batch normalization is folded into the convolutions, and a bias stands in its place
    assert result.metrics.parameters == pytest.approx(result.reference.parameters, rel=0.05)
    assert result.details["largestDifference"] < 1e-4


@pytest.mark.slow
def test_conversion_to_tflite_leaves_the_number_format_of_jax_as_it_was(exports: Chain) -> None:
    assert jax.config.jax_enable_x64 is False  # litert-torch's import sets it for the whole process


@pytest.mark.slow
def test_cpp_loader_is_built_against_libtorch_and_gives_the_same_outputs(exports: Chain, tmp_path: Path) -> None:
    project = exports.artifact("torchscript-trace") / "loader"
    build = tmp_path / "build"
    torch_root = Path(torch.__file__).parent
    for command in (
        ["cmake", "-S", project, "-B", build, f"-DTORCH_ROOT={torch_root}", "-DCMAKE_BUILD_TYPE=Debug"],
        ["cmake", "--build", build],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
    inputs = samples(64)
    wanted = trained_outputs(exports.root, inputs)
    for format in ("torchscript-trace", "torchscript-script"):
        for size in BATCHES:
            inputs[:size].tofile(tmp_path / "input.bin")
            command = [build / "infer", model_file(exports, format), tmp_path / "input.bin", tmp_path / "output.bin"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            found = np.fromfile(tmp_path / "output.bin", np.float32).reshape(size, 10)
            np.testing.assert_allclose(found, wanted[:size], rtol=1e-3, atol=1e-4)
    (tmp_path / "input.bin").write_bytes(b"odd")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr.count("must hold a whole number of samples of 256 bytes; it has 3")) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_manifest_says_how_to_serve_the_model(exports: Chain, format: str) -> None:
    manifest = json.loads((exports.artifact(format) / "manifest.json").read_text())
    size = 1 if format == "tflite" else "batch"
    assert manifest["name"] == "digits"
    assert (exports.artifact(format) / manifest["file"]).is_file()
    assert [(tensor["dtype"], tensor["shape"]) for tensor in manifest["inputs"]] == [("float32", [size, 1, 8, 8])]
    assert [(tensor["dtype"], tensor["shape"]) for tensor in manifest["outputs"]] == [("float32", [size, 10])]
    assert manifest["preprocessing"] == {
        "channels": "grey",
        "height": 8,
        "width": 8,
        "layout": "NCHW",
        "scale": 0.0625,
    }
    assert manifest["tools"]["torch"] == torch.__version__


@pytest.mark.slow
def test_pt2_tells_neither_samples_nor_where_the_code_lay(exports: Chain) -> None:
    with zipfile.ZipFile(model_file(exports, "pt2")) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert not any(data for name, data in content.items() if "sample_inputs" in name)
    assert not any(b"resnet.py" in data or b"site-packages" in data for data in content.values())


def rewritten(path: Path, target: Path, change: dict[str, bytes]) -> Path:
    """A copy of an archive, with some files' contents changed; names are without their first folder."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change.get(name.partition("/")[2], old.read(name)))
    return target


@pytest.mark.slow
def test_pt2_with_example_inputs_is_refused(exports: Chain, tmp_path: Path) -> None:
    path = rewritten(model_file(exports, "pt2"), tmp_path / "model.pt2", {"data/sample_inputs/model.pt": b"samples"})
    with pytest.raises(ArtifactError, match="holds the inputs that it was exported with"):
        open_pt2(path)


@pytest.mark.slow
def test_pt2_that_must_be_unpickled_is_refused(exports: Chain, tmp_path: Path) -> None:
    index = json.dumps({"config": {"fc.weight": {"path_name": "weight_0", "use_pickle": True}}}).encode()
    change = {"data/weights/model_weights_config.json": index, "data/weights/weight_0": b"cos\nsystem\n(S'true'\ntR."}
    with pytest.raises(ArtifactError, match=r"holds pickled tensors \(fc.weight\)"):
        open_pt2(rewritten(model_file(exports, "pt2"), tmp_path / "model.pt2", change))


@pytest.mark.parametrize("read", [open_pt2, open_torchscript])
def test_file_that_is_no_program_is_refused(tmp_path: Path, read: object) -> None:
    (tmp_path / "model").write_bytes(b"hello")
    with pytest.raises(ArtifactError, match="is not"):
        read(tmp_path / "model")  # type: ignore[operator]


@pytest.mark.slow
def test_torchscript_is_laid_out_for_triton_and_kserve(start: Start, tmp_path_factory: pytest.TempPathFactory) -> None:
    step = start({"name": "serve", "export": {"format": "torchscript-trace", "layout": "kserve"}})
    run(step)
    assert sorted(str(path.relative_to(step.output)) for path in step.output.rglob("*") if path.is_file()) == [
        "artifact.json",
        "digits/1/model.pt",
        "digits/config.pbtxt",
        "digits/loader/CMakeLists.txt",
        "digits/loader/main.cpp",
        "inferenceservice.yaml",
        "manifest.json",
    ]
    configuration = (step.output / "digits" / "config.pbtxt").read_text()
    assert 'platform: "pytorch_libtorch"' in configuration
    assert 'input [ { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] } ]' in configuration
    service = yaml.safe_load((step.output / "inferenceservice.yaml").read_text())
    assert service["metadata"] == {"name": "digits", "namespace": "default"}
    model = service["spec"]["predictor"]["model"]
    assert model["modelFormat"] == {"name": "pytorch"}
    assert model["storageUri"] == "pvc://digits/digits/steps/serve/artifact"
    served = {"served": step.output / "digits" / "1" / "model.pt"}
    wanted = trained_outputs(step.root, samples())
    for size, found in zip(
        BATCHES, fresh_outputs(served, samples(), tmp_path_factory.mktemp("served")).values(), strict=True
    ):
        np.testing.assert_allclose(found, wanted[:size], rtol=1e-3, atol=1e-4)


def test_tflite_of_any_batch_size_is_refused(start: Start) -> None:
    with pytest.raises(ConfigurationError, match="dynamicBatch must be false for tflite"):
        run(start(export_step("tflite")))


def test_converted_model_goes_into_no_other_format(go_on: Start) -> None:
    with pytest.raises(ConfigurationError, match="step 'int8' has the format onnx; this step needs a safetensors"):
        run(go_on(export_step("pt2"), after="int8"))


def test_batch_size_that_the_models_code_fixes_is_an_error_in_a_pt2(storage: Path) -> None:
    model = published(storage, "FixedBatch")
    with pytest.raises(ConfigurationError, match=r"torch\.export can't follow this model"):
        run(context(storage, export_step("pt2"), model=model))


def test_batch_size_that_a_trace_fixes_is_caught(storage: Path) -> None:
    step = context(storage, export_step("torchscript-trace"), model=published(storage, "FixedBatch"))
    with pytest.raises(ParityError, match="fails on a batch of 1"):
        run(step)
    assert not step.output.exists()


def test_traced_way_that_depends_on_the_numbers_is_caught(storage: Path) -> None:
    model = published(storage, "Branching")
    step = context(storage, {"name": "traced", "export": {"format": "torchscript-trace"}}, model=model)
    with pytest.raises(ParityError, match="outputs differ"):
        run(step)
    assert not step.output.exists()
    scripted = {"name": "scripted", "export": {"format": "torchscript-script"}}
    assert run(context(storage, scripted, model=model)).outcome == "Succeeded"
