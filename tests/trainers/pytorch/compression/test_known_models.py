"""Models that people know, small: pruned, quantized, exported, and run by those who have only the file.

They are not trained, which changes nothing of what a converter must get right.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainers.fresh import fresh_outputs
from tests.trainers.pytorch.compression import data
from tests.trainers.pytorch.compression.conftest import context, run
from trainwright.api.steps import Factory
from trainwright_trainers.data import Array, Arrays
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.artifacts import run as outputs_of
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.publishing import publish_model
from trainwright_trainers.runtime.artifacts import read_artifact

pytestmark = pytest.mark.slow

MODELS = "trainwright_trainers.pytorch.models:"
SMALL = {"in_channels": 1, "classes": 10, "stem": "small", "width": 4}
GPT = {"factory": MODELS + "gpt", "args": {"context": 16, "width": 32, "depth": 2}}


def published(root: Path, model: dict[str, Any], split: Arrays) -> None:
    """An untrained model as the train step's artifact."""
    torch.manual_seed(0)
    factory = Factory.model_validate(model)
    start = context(root, {"name": "train", "train": {}}, start=None, model=model)
    publish_model(start, make_model(factory), factory, split)


def validation(name: str) -> Arrays:
    """A data set's validation split."""
    split = getattr(data, name)().validation
    assert isinstance(split, Arrays)
    return split


def expected(artifact: Path, model: dict[str, Any], inputs: Array) -> Array:
    """What the artifact's model gives in this process."""
    return outputs_of(load_model(read_artifact(artifact), Factory.model_validate(model)), inputs)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_residual_networks_are_pruned_and_exported(name: str, tmp_path: Path) -> None:
    model, split = {"factory": MODELS + name, "args": SMALL}, validation("digits")
    published(tmp_path, model, split)
    pruned = context(tmp_path, {"name": "pruned", "prune": {"method": "l1-structured", "amount": 0.5}}, model=model)
    result = run(pruned)
    assert result.metrics.parameters is not None and result.reference.parameters is not None
    assert result.metrics.parameters < 0.4 * result.reference.parameters
    onnx = context(tmp_path, {"name": "onnx", "export": {"format": "onnx"}}, start="steps/pruned/artifact", model=model)
    assert run(onnx).details["labelAgreement"] == 1
    (tmp_path / "fresh").mkdir()
    wanted = expected(pruned.output, model, split.inputs[:64])
    for found in fresh_outputs({"onnx": onnx.output / "model.onnx"}, split.inputs, tmp_path / "fresh").values():
        np.testing.assert_allclose(found, wanted[: len(found)], rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def test_a_generative_transformer_is_exported_and_its_products_quantized(tmp_path: Path) -> None:
    split = validation("text")
    published(tmp_path, GPT, split)
    files = {"onnx": "model.onnx", "pt2": "model.pt2", "torchscript-trace": "model.pt"}
    steps: dict[str, dict[str, Any]] = {format: {"export": {"format": format}} for format in files}
    steps["int8"] = {"quantize": {"scheme": "int8-dynamic"}}
    made = {
        name: context(tmp_path, {"name": name[:11], **step}, data="text", model=GPT) for name, step in steps.items()
    }
    for name, step in made.items():
        assert run(step).details["labelAgreement"] >= (0.9 if name == "int8" else 1)
    (tmp_path / "fresh").mkdir()
    models = {name: step.output / files.get(name, "model.onnx") for name, step in made.items()}
    found = fresh_outputs(models, split.inputs, tmp_path / "fresh")
    wanted = expected(tmp_path / "steps/train/artifact", GPT, split.inputs[:64])
    for name in files:
        for size in (1, 7, 64):
            np.testing.assert_allclose(found[f"{name}-{size}"], wanted[:size], rtol=1e-3, atol=1e-4)
    assert (found["int8-64"].argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.9
