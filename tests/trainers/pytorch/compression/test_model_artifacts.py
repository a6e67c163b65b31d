"""A model is loaded exactly as it was saved, or not at all; nothing is unpickled."""

import hashlib
import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.trainers.pytorch.compression.conftest import MODEL, TRAINED
from trainwright.api.steps import Factory
from trainwright_trainers.pytorch.artifacts import fill, load_model, run, stored_tensors, write_model
from trainwright_trainers.pytorch.channels import cut_channels, read_cuts
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.models import resnet8
from trainwright_trainers.runtime.artifacts import ArtifactError, read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError

FACTORY = Factory.model_validate(MODEL)
SAMPLE = np.zeros((1, 1, 8, 8), np.float32)


def replace_weights(storage: Path, content: bytes) -> None:
    """Put other weights into the trained artifact, with digests that fit."""
    artifact = storage / TRAINED
    (artifact / "model.safetensors").write_bytes(content)
    described = json.loads((artifact / "artifact.json").read_text())
    described["files"][0] |= {"sizeBytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (artifact / "artifact.json").write_text(json.dumps(described))


def edited(storage: Path, **changes: Any) -> Path:
    """The trained artifact's directory, after changes of its artifact.json."""
    path = storage / TRAINED / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return storage / TRAINED


class Opener:
    """Unpickled, it would make a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_model_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    model = make_model(FACTORY)
    model(torch.randn(8, 1, 8, 8))  # moves the running statistics
    artifact = write_model(tmp_path, model.eval(), SAMPLE, name="train", factory=FACTORY)
    loaded = load_model(artifact, FACTORY)
    assert not loaded.training
    for key, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key
    assert artifact.description.inputs[0].shape == ["batch", 1, 8, 8]
    assert artifact.description.outputs[0].shape == ["batch", 10]


class Tied(nn.Module):
    """Two layers that share their weight, and a buffer without elements."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(4, 4)
        self.decode = nn.Linear(4, 4)
        self.decode.weight = self.encode.weight
        self.register_buffer("empty", torch.empty(0))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, 4] -> [batch, 4]."""
        out: Tensor = self.decode(self.encode(x))
        return out


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    model, other = Tied(), Tied()
    assert list(stored_tensors(model)) == ["empty", "encode.weight", "encode.bias", "decode.bias"]
    save_file(stored_tensors(model), tmp_path / "model.safetensors")
    fill(other, tmp_path / "model.safetensors")
    assert other.decode.weight is other.encode.weight
    batch = torch.randn(3, 4)
    assert torch.equal(other(batch), model(batch))


def test_pickle_passed_off_as_weights_is_not_opened(storage: Path) -> None:
    trap = storage / "trap"
    replace_weights(storage, pickle.dumps(Opener(trap)))
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        load_model(read_artifact(storage / TRAINED), FACTORY)
    torch.save(Opener(trap), storage / "weights.pt")
    replace_weights(storage, (storage / "weights.pt").read_bytes())
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        load_model(read_artifact(storage / TRAINED), FACTORY)
    assert not trap.exists()


def test_tensor_that_claims_to_be_huge_is_not_allocated(storage: Path) -> None:
    header = json.dumps({"fc.bias": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    replace_weights(storage, struct.pack("<Q", len(header)) + header + bytes(64))
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        load_model(read_artifact(storage / TRAINED), FACTORY)


def test_header_that_claims_to_be_huge_is_refused(storage: Path) -> None:
    replace_weights(storage, struct.pack("<Q", 1 << 40) + bytes(64))
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        load_model(read_artifact(storage / TRAINED), FACTORY)


def test_changed_weights_are_refused(storage: Path) -> None:
    path = storage / TRAINED / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        read_artifact(storage / TRAINED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("fc.bias"), r"1 are missing \['fc\.bias'\]"),
        (lambda state: state.update(extra=torch.zeros(1)), r"1 are not the model's \['extra'\]"),
        (
            lambda state: state.update({"fc.bias": torch.zeros(11)}),
            r"fc\.bias has shape \[11\], the model's has \[10\]",
        ),
        (lambda state: state.update({"fc.bias": torch.zeros(10).half()}), r"fc\.bias is torch\.float16"),
    ],
)
def test_weights_that_are_not_exactly_the_models_are_refused(storage: Path, change: Any, words: str) -> None:
    state = load_file(storage / TRAINED / "model.safetensors")
    change(state)
    save_file(state, storage / "other.safetensors")
    replace_weights(storage, (storage / "other.safetensors").read_bytes())
    with pytest.raises(ArtifactError, match=words):
        load_model(read_artifact(storage / TRAINED), FACTORY)


@pytest.mark.parametrize(
    "other",
    [
        {"factory": MODEL["factory"], "args": {"width": 16}},
        {"factory": MODEL["factory"]},
        {"factory": "trainwright_trainers.pytorch.models:mlp"},
    ],
)
def test_factory_that_did_not_make_the_weights_is_refused(storage: Path, other: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"spec\.model is .* but the model of step 'train' was made by"):
        load_model(read_artifact(storage / TRAINED), Factory.model_validate(other))


def test_factory_in_the_artifact_is_never_called(storage: Path) -> None:
    directory = edited(storage, model={"factory": "os:mkdir", "args": {"path": str(storage / "trap")}})
    with pytest.raises(ConfigurationError, match=r"spec\.model is"):
        load_model(read_artifact(directory), FACTORY)
    assert not (storage / "trap").exists()


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        ([{"stem.0": {"outputs": [0, 1, 99]}}], "must keep rising numbers of its 8 channels"),
        ([{"stem.0": {"outputs": [-1, 1]}}], "must keep rising numbers"),
        ([{"stem.0": {"outputs": [1, 0]}}], "must keep rising numbers"),
        ([{"stem.0": {"outputs": [1, 1]}}], "must keep rising numbers"),
        ([{"stem.0": {"outputs": []}}], r"cuts\.0\.stem\.0\.outputs"),
        ([{"stem.0": {"outputs": ["0"]}}], r"cuts\.0\.stem\.0\.outputs\.0"),
        ([{"stem.9": {"outputs": [0]}}], "which this model lacks or can't be cut"),
        ([{"stem.2": {"outputs": [0]}}], "which this model lacks or can't be cut"),
        ("all", "recipe at cuts"),
        ([{"stem.0": {"outputs": [0, 1]}}], r"stem\.0\.weight has shape \[8, 1, 3, 3\]"),
    ],
)
def test_recipe_that_does_not_fit_the_model_is_refused(storage: Path, cuts: Any, words: str) -> None:
    directory = edited(storage, recipe={"cuts": cuts})
    with pytest.raises(ArtifactError, match=words):
        load_model(read_artifact(directory), FACTORY)


def test_cut_keeps_the_named_channels() -> None:
    model, whole = resnet8(width=8), resnet8(width=8)
    whole.load_state_dict(model.state_dict())
    (cut,) = read_cuts({"cuts": [{"stem.0": {"outputs": [1, 5]}, "stem.1": {"outputs": [1, 5]}}]})
    cut_channels(model, cut)
    assert torch.equal(model.get_parameter("stem.0.weight"), whole.get_parameter("stem.0.weight")[[1, 5]])
    assert torch.equal(model.get_buffer("stem.1.running_var"), whole.get_buffer("stem.1.running_var")[[1, 5]])
    assert model.get_buffer("stem.1.num_batches_tracked").shape == ()


class Stateful(nn.Linear):
    """Its state holds more than tensors."""

    def get_extra_state(self) -> Any:
        return {"history": [1, 2]}


def test_state_that_only_a_pickle_could_hold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"holds _extra_state, a dict; only tensors can be saved"):
        stored_tensors(Stateful(1, 1))


class TwoHeads(nn.Linear):
    """Returns more than one tensor."""

    def forward(self, x: Tensor) -> Any:
        return x, x


def test_model_with_several_outputs_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must return one tensor, it returns tuple"):
        run(TwoHeads(1, 1), np.zeros((1, 1)))


def test_double_inputs_are_taken_as_floats() -> None:
    assert run(nn.Linear(2, 3), np.zeros((4, 2))).dtype == np.float32
