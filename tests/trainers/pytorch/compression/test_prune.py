"""Pruned models are what they say: sparse ones stay sparse, cut ones are really smaller and load without a pickle."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.trainers.pytorch.compression.conftest import MODEL, Start, run
from trainwright.api.steps import Factory
from trainwright_trainers.data import Arrays
from trainwright_trainers.pytorch.artifacts import load_model
from trainwright_trainers.pytorch.channels import cut_channels, read_cuts
from trainwright_trainers.pytorch.prune.finetuning import finetune
from trainwright_trainers.pytorch.prune.l1_semi_structured import prune_l1_semi_structured
from trainwright_trainers.pytorch.prune.l1_structured import prune_l1_structured
from trainwright_trainers.pytorch.prune.l1_unstructured import prune_l1_unstructured
from trainwright_trainers.pytorch.prune.method import Target
from trainwright_trainers.runtime.artifacts import read_artifact
from trainwright_trainers.runtime.errors import ConfigurationError, NonFiniteLossError

FINETUNED = {"finetuneEpochs": 2, "batchSize": 64, "optimizer": {"learningRate": 3e-3}}
FACTORY = Factory.model_validate(MODEL)
SAMPLE = np.zeros((1, 1, 8, 8), np.float32)


def test_unstructured_pruning_zeroes_the_share_and_fine_tuning_keeps_it_zero(start: Start) -> None:
    step = start({"name": "sparse", "prune": {"method": "l1-unstructured", "amount": 0.6, **FINETUNED}})
    result = run(step)
    weights = {k: v for k, v in load_file(step.output / "model.safetensors").items() if v.ndim > 1}
    assert len(weights) == 10
    for name, weight in weights.items():
        assert (weight == 0).float().mean() == pytest.approx(0.6, abs=1 / weight.numel()), name
    assert result.metrics.sparsity == pytest.approx(0.6, abs=0.02)
    assert result.metrics.size_bytes == result.reference.size_bytes  # zeros take as many bytes
    assert result.metrics.accuracy is not None
    assert result.metrics.accuracy > 0.93


def test_unstructured_pruning_removes_the_smallest_weights() -> None:
    model = nn.Sequential(nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[3.0, -0.5, 1.0, -2.0]])
    prune_l1_unstructured(model, np.zeros((1, 4), np.float32), Target(0.5))
    assert model[0].weight.tolist() == [[3.0, 0.0, 0.0, -2.0]]


def test_structured_pruning_makes_the_model_smaller_and_fine_tuning_recovers_it(start: Start) -> None:
    step = start({"name": "half", "prune": {"method": "l1-structured", "amount": 0.5, **FINETUNED}})
    result = run(step)
    metrics, reference = result.metrics, result.reference
    assert metrics.parameters is not None and reference.parameters is not None
    assert metrics.parameters < 0.35 * reference.parameters
    assert metrics.size_bytes is not None and reference.size_bytes is not None
    assert metrics.size_bytes < 0.5 * reference.size_bytes
    assert metrics.accuracy is not None and reference.accuracy is not None
    assert metrics.accuracy > 0.9
    assert result.artifact is not None and result.artifact.metrics == metrics
    assert result.details["largestDifference"] == 0


def test_cut_model_is_rebuilt_from_its_recipe(start: Start) -> None:
    step = start({"name": "half", "prune": {"method": "l1-structured", "amount": 0.5}})
    run(step)
    artifact = read_artifact(step.output)
    model = load_model(artifact, FACTORY)
    assert model.get_parameter("fc.weight").shape == (10, 16)
    assert model.get_submodule("stem.0").out_channels == 4
    assert model.get_submodule("stem.1").num_features == 4
    (cut,) = artifact.description.recipe["cuts"]
    assert len(cut["stem.0"]["outputs"]) == 4
    assert "outputs" not in cut["fc"]
    assert artifact.description.parent is not None
    assert step.input is not None
    assert artifact.description.parent.sha256 == read_artifact(step.input).sha256
    assert sorted(path.suffix for path in step.output.iterdir()) == [".json", ".safetensors"]


def test_model_is_pruned_again_and_again(start: Start) -> None:
    first = start({"name": "first", "prune": {"method": "l1-structured", "amount": 0.25}})
    run(first)
    sparse = start(
        {"name": "sparse", "prune": {"method": "l1-unstructured", "amount": 0.3}}, start="steps/first/artifact"
    )
    run(sparse)
    second = start(
        {"name": "second", "prune": {"method": "l1-structured", "amount": 0.5}}, start="steps/sparse/artifact"
    )
    result = run(second)
    artifact = read_artifact(second.output)
    assert len(artifact.description.recipe["cuts"]) == 2
    assert load_model(artifact, FACTORY).get_submodule("stem.0").out_channels == 3
    assert result.metrics.parameters is not None and result.reference.parameters is not None
    assert result.metrics.parameters < result.reference.parameters


class Awkward(nn.Module):
    """Depthwise and transposed convolutions, a concatenation, and two layers that make the output together."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 12, 1)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.norm = nn.BatchNorm2d(6)
        self.down = nn.Conv2d(6, 8, 2, stride=2)
        self.both = nn.Conv2d(16, 4, 1)
        self.left = nn.Linear(4 * 64, 10)
        self.right = nn.Linear(4 * 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        y = self.down(torch.relu(self.norm(self.up(self.pointwise(self.depthwise(x))))))
        z = torch.relu(self.both(torch.cat([x, y], dim=1))).flatten(1)
        return self.left(z) + self.right(z)


def rebuilt(fresh: nn.Module, pruned: nn.Module, cuts: object) -> nn.Module:
    for cut in read_cuts(json.loads(json.dumps({"cuts": cuts}))):
        cut_channels(fresh, cut)
    fresh.load_state_dict(pruned.state_dict())
    return fresh.eval()


def test_depthwise_transposed_concatenated_and_summed_layers_are_cut_together() -> None:
    model = Awkward().eval()
    pruned = prune_l1_structured(model, SAMPLE, Target(0.5))
    assert (model.stem.out_channels, model.depthwise.groups, model.depthwise.in_channels) == (4, 4, 4)
    assert (model.pointwise.out_channels, model.up.out_channels, model.norm.num_features) == (6, 3, 3)
    assert (model.both.in_channels, model.both.out_channels) == (8, 2)
    assert model.left.in_features == model.right.in_features == 2 * 64
    assert model.left.out_features == model.right.out_features == 10
    assert pruned.notes == []
    batch = torch.randn(3, 1, 8, 8)
    assert torch.equal(rebuilt(Awkward(), model, pruned.cuts)(batch), model(batch))


class Mixed(nn.Module):
    """Channels that a plain operation moves: Torch-Pruning takes it for one that leaves them in their places."""

    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.operation = operation
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.second(self.operation(self.first(x))).flatten(1))


class Joined(nn.Module):
    """Two layers' channels one after the other, flattened: Torch-Pruning cuts the same half twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 1)
        self.second = nn.Conv2d(1, 8, 1)
        self.fc = nn.Linear(16 * 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.cat([self.first(x), self.second(x)], dim=1).flatten(1))


@pytest.mark.parametrize(
    "model",
    [Mixed(lambda x: x.roll(1, dims=1)), Mixed(lambda x: x.softmax(dim=1)), Joined()],
    ids=["rolled channels", "softmax over channels", "concatenated and flattened"],
)
def test_model_that_torch_pruning_cuts_wrongly_is_refused(model: nn.Module) -> None:
    image = np.random.default_rng(0).normal(size=(1, 1, 8, 8)).astype(np.float32)
    with pytest.raises(ConfigurationError, match="l1-structured can't follow this model's structure"):
        prune_l1_structured(model.eval(), image, Target(0.5))


class Grouped(nn.Module):
    """A convolution in two groups, which can't be cut, among others that can."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3)
        self.grouped = nn.Conv2d(8, 8, 3, groups=2)
        self.third = nn.Conv2d(8, 8, 3)
        self.fourth = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.fourth(self.third(self.grouped(self.first(x)))).flatten(1))


def test_layers_tied_to_one_that_cannot_be_cut_stay_whole_and_are_named() -> None:
    model = Grouped().eval()
    pruned = prune_l1_structured(model, SAMPLE, Target(0.5))
    assert (model.first.out_channels, model.grouped.out_channels) == (8, 8)
    assert (model.third.out_channels, model.fourth.out_channels) == (4, 4)
    assert len(pruned.notes) == 1
    assert "first" in pruned.notes[0]
    assert "grouped" in pruned.notes[0]
    assert "third" not in pruned.notes[0]


def test_every_layer_keeps_a_channel() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10)).eval()
    prune_l1_structured(model, SAMPLE, Target(0.999))
    assert model[1].out_features == 1


def test_channels_with_the_least_weights_go() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 10)).eval()
    with torch.no_grad():
        model[1].weight[:] = torch.tensor([[0.1], [5.0], [0.2], [4.0]])
        model[2].weight[:] = 1.0
    pruned = prune_l1_structured(model, SAMPLE, Target(0.5))
    assert pruned.cuts == [{"1": {"outputs": [1, 3]}, "2": {"inputs": [1, 3]}}]


def test_model_of_one_layer_has_no_channel_to_remove() -> None:
    with pytest.raises(ConfigurationError, match=r"prune\.amount 0\.5 removes no channel"):
        prune_l1_structured(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval(), SAMPLE, Target(0.5))


def test_share_too_small_for_any_layer_removes_nothing() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, 10)).eval()
    with pytest.raises(ConfigurationError, match=r"prune\.amount 0\.1 removes no channel"):
        prune_l1_structured(model, SAMPLE, Target(0.1))


def test_fully_convolutional_residual_output_stays_whole() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.inner, self.last = nn.Conv2d(1, 6, 1), nn.Conv2d(6, 8, 1), nn.Conv2d(8, 6, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.stem(x))
            return torch.relu(x + self.last(torch.relu(self.inner(x))))

    model = Residual().eval()
    prune_l1_structured(model, np.ones((1, 1, 8, 8), np.float32), Target(0.5))
    assert (model.stem.out_channels, model.last.out_channels) == (6, 6)
    assert model.inner.out_channels == 4


def test_model_without_weights_cannot_be_sparse() -> None:
    with pytest.raises(ConfigurationError, match="no linear or convolutional layer"):
        prune_l1_unstructured(nn.Sequential(nn.Flatten()), SAMPLE, Target(0.5))


def test_request_to_stop_ends_fine_tuning_and_leaves_no_artifact(start: Start) -> None:
    step = start({"name": "half", "prune": {"method": "l1-structured", "amount": 0.5, "finetuneEpochs": 1000}})
    step.stop._request(15, None)
    result = run(step)
    assert result.outcome == "Stopped"
    assert [path.name for path in step.directory.iterdir() if path.stat().st_size] == []


def test_fine_tuning_that_diverges_says_so(start: Start) -> None:
    options = {"method": "l1-unstructured", "amount": 0.5, "finetuneEpochs": 3, "batchSize": 64}
    optimizer = {"name": "SGD", "learningRate": 1000, "args": {"momentum": 0.9, "maximize": True}}
    step = start({"name": "half", "prune": options | {"optimizer": optimizer}})
    with pytest.raises(NonFiniteLossError, match=r"spec\.steps\[half\]\.prune: the loss of fine-tuning is"):
        run(step)


def test_last_sample_alone_is_passed_over(start: Start) -> None:
    """Batch normalization of vectors can't train on one sample."""
    options = {"method": "l1-unstructured", "amount": 0.5, "finetuneEpochs": 2, "batchSize": 8}
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))
    before = model[1].weight.detach().clone()
    train = Arrays(np.ones((17, 1, 8, 8), np.float32), np.arange(17) % 10)
    assert finetune(start({"name": "sparse", "prune": options}), model, train, zeros={})
    assert not torch.equal(model[1].weight, before)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": {"name": "Adamm"}}, r"spec\.steps\[half\]\.prune\.optimizer\.name.*did you mean Adam"),
        ({"loss": "CrossEntropy"}, r"spec\.steps\[half\]\.prune\.loss.*did you mean CrossEntropyLoss"),
    ],
)
def test_misspelt_option_is_named(start: Start, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        run(start({"name": "half", "prune": {"method": "l1-structured", "amount": 0.5, **changes}}))


def test_quantized_model_cannot_be_pruned(go_on: Start) -> None:
    with pytest.raises(ConfigurationError, match=r"step 'int8' has the format onnx.*put it before"):
        run(go_on({"name": "half", "prune": {"method": "l1-structured", "amount": 0.5}}, after="int8"))


def test_global_ranking_takes_more_from_layers_with_small_weights() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    with torch.no_grad():
        model[0].weight[:] = torch.arange(1, 17).view(4, 4) / 100
        model[1].weight[:] = torch.arange(1, 17).view(4, 4)
    prune_l1_unstructured(model, np.zeros((1, 4), np.float32), Target(0.5, everywhere=True))
    assert [(layer.weight == 0).sum().item() for layer in model] == [16, 0]


def test_global_ranking_removes_the_share_of_all_channels_together(start: Start) -> None:
    step = start({"name": "half", "prune": {"method": "l1-structured", "amount": 0.5, "scope": "global"}})
    run(step)
    model, before = load_model(read_artifact(step.output), FACTORY), load_model(read_artifact(step.input), FACTORY)
    widths = [
        (old.out_channels, new.out_channels)
        for old, new in zip(before.modules(), model.modules(), strict=True)
        if isinstance(old, nn.Conv2d) and isinstance(new, nn.Conv2d)
    ]
    shares = {new / old for old, new in widths}
    assert len(shares) > 1  # some lose more than others
    assert min(new for _, new in widths) >= 1


def test_semi_structured_pruning_zeroes_two_of_each_four_along_the_inputs(start: Start) -> None:
    step = start({"name": "sparse", "prune": {"method": "l1-semi-structured", "amount": 0.5, **FINETUNED}})
    result = run(step)
    weights = {k: v for k, v in load_file(step.output / "model.safetensors").items() if v.ndim > 1}
    pruned = {name: weight for name, weight in weights.items() if weight.shape[1] % 4 == 0}
    assert len(pruned) == 9
    for name, weight in pruned.items():
        zeros = (weight.movedim(1, -1).reshape(-1, 4) == 0).sum(dim=1)
        assert set(zeros.tolist()) == {2}, name
    assert result.notes == ["these weights stayed whole, as their number of inputs is no multiple of 4: stem.0.weight"]
    assert result.metrics.accuracy is not None
    assert result.metrics.accuracy > 0.9


def test_semi_structured_pruning_keeps_the_largest_of_each_four() -> None:
    model = nn.Sequential(nn.Linear(8, 1))
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[3.0, -0.5, 1.0, -2.0, 5.0, 6.0, 7.0, 8.0]])
    prune_l1_semi_structured(model, np.zeros((1, 8), np.float32), Target(0.5))
    assert model[0].weight.tolist() == [[3.0, 0.0, 0.0, -2.0, 0.0, 0.0, 7.0, 8.0]]
    with pytest.raises(ConfigurationError, match="a multiple of 4; the model has none"):
        prune_l1_semi_structured(nn.Sequential(nn.Linear(6, 1)), np.zeros((1, 6), np.float32), Target(0.5))


@pytest.mark.parametrize("method", ["l1-unstructured", "l1-structured", "l1-semi-structured"])
def test_rounds_reach_the_same_amount_as_one(start: Start, method: str) -> None:
    options = {"method": method, "amount": 0.5, "finetuneEpochs": 1, "batchSize": 128}
    once = run(start({"name": "once", "prune": options}))
    step = start({"name": "rounds", "prune": {**options, "iterations": 3}})
    thrice = run(step)
    assert thrice.metrics.parameters == once.metrics.parameters
    cuts = read_artifact(step.output).description.recipe["cuts"]
    assert len(cuts) == (3 if method == "l1-structured" else 0)
    history = [json.loads(line) for line in (step.directory / "history.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert [record["step"] for record in history] == sorted({record["step"] for record in history})
