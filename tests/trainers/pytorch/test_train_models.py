"""The models that ship with the trainer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.trainers.runs import QUICK, Job, run_here
from trainwright_trainers.data import Arrays, python_manual
from trainwright_trainers.pytorch import models
from trainwright_trainers.runtime.errors import ConfigurationError


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("name", "parameters"),
    # ImageNet's networks as torchvision counts them: https://docs.pytorch.org/vision/stable/models/resnet.html
    [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)],
)
def test_residual_networks_have_the_published_size(name: str, parameters: int) -> None:
    model = getattr(models, name)()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_the_small_stem_keeps_small_images() -> None:
    model = models.resnet8(in_channels=1, classes=10, width=4)
    assert model.stem(torch.zeros(2, 1, 8, 8)).shape == (2, 4, 8, 8)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_perceptron_takes_any_shape_of_inputs() -> None:
    model = models.mlp(inputs=12, hidden=[5], classes=3, dropout=0.5)
    assert model(torch.zeros(2, 3, 4)).shape == (2, 3)


@pytest.mark.parametrize("arguments", [{"classes": "ten"}, {"classes": 0}, {"stem": "tiny"}, {"width": 1.5}])
def test_arguments_have_types(arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        models.resnet18(**arguments)


@pytest.mark.parametrize(
    ("name", "parameters"),
    # As torchvision counts ViT-B/16, and Hugging Face's transformers GPT-2.
    [("vit_b_16", 86_567_656), ("gpt2", 124_439_808)],
)
def test_transformers_have_the_published_size(name: str, parameters: int) -> None:
    with torch.device("meta"):
        model = getattr(models, name)()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_a_generative_transformer_sees_nothing_of_what_it_predicts() -> None:
    model = models.gpt(context=16, width=16, depth=2).eval()
    text = torch.arange(16).unsqueeze(0)
    changed = text.clone()
    changed[0, 9] = 200
    before, after = model(text), model(changed)
    assert before.shape == (1, 256, 16)
    torch.testing.assert_close(before[..., :9], after[..., :9])
    assert not torch.equal(before[..., 9], after[..., 9])


@pytest.mark.parametrize(
    ("name", "arguments"), [("vit", {"image_size": 9}), ("vit", {"width": 10}), ("gpt", {"heads": 3})]
)
def test_sizes_that_can_not_be_divided_are_refused(name: str, arguments: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=r"spec\.model\.args: .* must be a multiple of"):
        getattr(models, name)(**arguments)


@pytest.mark.slow
def test_a_generative_transformer_learns_more_than_how_often_each_byte_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"context": 32, "max_bytes": 50_000}
    model = {"factory": "trainwright_trainers.pytorch.models:gpt", "args": {"context": 32, "width": 32, "depth": 2}}
    data = {"factory": "trainwright_trainers.data:python_manual", "args": arguments}
    job = Job(tmp_path / "job", {"epochs": 4, "batchSize": 32, "optimizer": QUICK}, model, data)
    code, result = run_here(job, monkeypatch)
    assert code == 0, result.fault
    validation = python_manual(**arguments).validation  # type: ignore[arg-type]
    assert isinstance(validation, Arrays)
    shares = np.bincount(validation.targets.reshape(-1), minlength=256) / validation.targets.size
    entropy = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
    # A model without its input could at best have the entropy as its loss, and the share of spaces as its accuracy.
    assert result.metrics.loss is not None and result.metrics.loss < 0.9 * entropy
    assert result.metrics.accuracy is not None and result.metrics.accuracy > 1.3 * shares.max()


def test_a_vision_transformer_learns_the_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {"factory": "trainwright_trainers.pytorch.models:vit", "args": {"width": 32, "depth": 2}}
    job = Job(tmp_path / "job", {"epochs": 12, "batchSize": 64, "optimizer": QUICK}, model)
    code, result = run_here(job, monkeypatch)
    assert code == 0, result.fault
    assert result.metrics.accuracy is not None and result.metrics.accuracy > 0.7
