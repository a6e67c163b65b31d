"""A small residual network, trained on the digits once, and the steps that start from it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.promises import ran
from trainwright.api.contract import StepConfiguration, StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.data import Arrays, Splits, bundled
from trainwright_trainers.pytorch.model_factory import make_model
from trainwright_trainers.pytorch.publishing import publish_model
from trainwright_trainers.pytorch.steps import find_run
from trainwright_trainers.runtime.context import StepContext
from trainwright_trainers.runtime.progress import Progress
from trainwright_trainers.runtime.stop import StopRequest

MODEL = {"factory": "trainwright_trainers.pytorch.models:resnet8", "args": {"width": 8}}
DATA = "tests.trainers.pytorch.compression.data:"
TRAINED = "steps/train/artifact"


def context(
    root: Path,
    step: dict[str, Any],
    *,
    start: str | None = TRAINED,
    data: str = "digits",
    model: dict[str, Any] = MODEL,
) -> StepContext:
    """What the entry point gives a step, with the job's storage at `root`."""
    directory = f"steps/{step['name']}"
    configuration = StepConfiguration.model_validate(
        {
            "job": "digits",
            "namespace": "default",
            "framework": "pytorch",
            "seed": 1,
            "model": model,
            "data": {"factory": DATA + data},
            "step": step,
            "input": start,
            "output": f"{directory}/artifact",
            "checkpoints": f"{directory}/checkpoints",
            "storage": "pvc://digits/digits",
        }
    )
    return StepContext(
        configuration=configuration,
        root=root,
        input=root / start if start else None,
        output=root / configuration.output,
        checkpoints=root / configuration.checkpoints,
        progress=Progress(),
        stop=StopRequest(),
    )


def run(step: StepContext) -> StepResult:
    """Run a step as the entry point does."""
    result = find_run(step)(step)
    ran(step.configuration.framework, step.configuration.step)
    return result


def fit(model: nn.Module, splits: Splits, epochs: int) -> None:
    """Train a little, in this process."""
    assert isinstance(splits.train, Arrays)
    inputs, targets = torch.from_numpy(splits.train.inputs), torch.from_numpy(splits.train.targets)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()


@dataclass(frozen=True)
class Chain:
    """A job's storage after some steps, not to be written to, and what they returned."""

    root: Path
    results: dict[str, StepResult]

    def artifact(self, name: str) -> Path:
        """The directory of a step's artifact."""
        return self.root / "steps" / name / "artifact"


@pytest.fixture(scope="session")
def chain(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The trained model exported to ONNX as it is, and quantized. Converting takes seconds, so it is done once."""
    root = tmp_path_factory.mktemp("chain")
    shutil.copytree(trained, root, dirs_exist_ok=True)
    steps: list[dict[str, Any]] = [
        {"name": "onnx", "export": {"format": "onnx"}},
        {"name": "int8", "quantize": {"scheme": "int8-static", "calibrationSamples": 128}},
    ]
    return Chain(root, {step["name"]: run(context(root, step)) for step in steps})


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job's storage after its train step; not to be written to."""
    root = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    splits, factory = bundled.digits(), Factory.model_validate(MODEL)
    model = make_model(factory)
    fit(model, splits, epochs=5)
    publish_model(context(root, {"name": "train", "train": {}}, start=None), model, factory, splits.validation)
    return root


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Path:
    """A job's storage after its train step, for one test to write to."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Measuring sets torch's threads; the next test gets them as they were."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


Start = Callable[..., StepContext]


@pytest.fixture
def start(storage: Path) -> Start:
    """Makes the context of a step that starts from the trained model."""
    return lambda step, **options: context(storage, step, **options)


@pytest.fixture
def go_on(chain: Chain, tmp_path: Path) -> Start:
    """Makes the context of a step that starts from an artifact of the chain."""
    shutil.copytree(chain.root, tmp_path, dirs_exist_ok=True)
    return lambda step, after: context(tmp_path, step, start=f"steps/{after}/artifact")
