"""The models that ship with the trainer."""

import pytest
import torch
from pydantic import ValidationError

from trainwright_trainers.pytorch import models


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
