"""Pruned Keras models are what they say: sparse ones stay sparse, cut ones are really smaller and load again."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.trainers.runs import DIGITS, Job, run_here
from tests.trainers.tensorflow.conftest import TRAIN, after
from trainwright.api.contract import StepResult
from trainwright_trainers.chain.prune.l1_semi_structured import prune_l1_semi_structured
from trainwright_trainers.chain.prune.l1_structured import prune_l1_structured
from trainwright_trainers.chain.prune.l1_unstructured import prune_l1_unstructured
from trainwright_trainers.chain.prune.method import Target
from trainwright_trainers.runtime.errors import ConfigurationError
from trainwright_trainers.tensorflow import steps  # noqa: F401 - how TensorFlow is to be loaded

MODELS = "tests.trainers.tensorflow.models"
FINETUNED = {"finetuneEpochs": 6, "batchSize": 64, "optimizer": {"name": "adam", "learningRate": 1e-2}}
SAMPLE = np.random.default_rng(0).normal(size=(1, 1, 8, 8)).astype(np.float32)


@pytest.fixture
def candidate(request):
    """A model of this folder with random weights, as pruning sees it."""
    import keras

    from trainwright.api.steps import Factory
    from trainwright_trainers.tensorflow.networks import make_network
    from trainwright_trainers.tensorflow.prune.candidate import Candidate

    keras.utils.set_random_seed(0)
    return Candidate(make_network(Factory(factory=f"{MODELS}:{request.param}"), "spec.model", SAMPLE), SAMPLE)


def of(name: str) -> pytest.MarkDecorator:
    """The test has the candidate of that name."""
    return pytest.mark.parametrize("candidate", [name], indirect=True)


def layers_of(candidate):
    """The layers at any depth, by name."""
    return {layer.name: layer for layer in candidate.model._flatten_layers()}


def kernels(candidate):
    """The shapes of the kernels by the names of their layers."""
    return {name: tuple(layer.kernel.shape) for name, layer in layers_of(candidate).items() if hasattr(layer, "kernel")}


def target(amount: float, *, everywhere: bool = False) -> Target:
    return Target(amount, everywhere, {})


@of("shortcuts")
def test_channels_are_followed_through_shortcuts_poolings_and_models_in_models(candidate) -> None:
    # stem, back, depthwise and down are tied; twice makes what the inner model takes, which stays whole.
    assert sorted(group.channels for group in candidate.structure.groups) == [6, 6, 8, 12, 14]
    pruned = prune_l1_structured(candidate, SAMPLE, target(0.5))
    shapes = kernels(pruned.model)
    assert (shapes["stem"], shapes["inside"], shapes["back"]) == ((3, 3, 1, 4), (3, 3, 4, 6), (1, 1, 6, 4))
    assert shapes["depthwise"] == (3, 3, 4, 1)
    assert (shapes["up"], shapes["down"]) == ((2, 2, 3, 4), (2, 2, 3, 4))
    assert (shapes["before"], shapes["twice"]) == ((4 * 16, 16), (16, 16))
    assert (shapes["within"], shapes["last"], shapes["answer"]) == ((16, 3), (3, 7), (7, 10))
    assert tuple(layers_of(pruned.model)["norm"].moving_mean.shape) == (6,)
    assert pruned.notes == [
        "these layers kept all channels, as they are tied to something that can't be cut: before, twice"
    ]
    assert pruned.model.run(SAMPLE).shape == (1, 10)


@of("untied")
def test_what_is_tied_to_uncuttable_parts_stays_whole_and_is_named(candidate) -> None:
    pruned = prune_l1_structured(candidate, SAMPLE, target(0.5))
    assert kernels(pruned.model)["free"] == (12, 8)
    (note,) = pruned.notes
    for name in ("stem", "beside", "chosen"):
        assert name in note
    assert "answer" not in note


@of("plain")
def test_the_channels_of_least_magnitude_go(candidate) -> None:
    first, second = (layer.kernel for layer in candidate.model.layers[1:])
    weak = np.arange(32) == 5
    first.assign(np.where(weak, 1e-3, 1.0) * first)
    second.assign(np.where(weak[:, None], 1e-3, 1.0) * second)
    before = first.numpy()
    pruned = prune_l1_structured(candidate, SAMPLE, target(1 / 32))
    np.testing.assert_array_equal(pruned.model.arrays["parameters/0000/kernel"], np.delete(before, 5, axis=1))


@of("size_in_code")
def test_a_size_in_the_models_code_ties_what_it_touches(candidate) -> None:
    with pytest.raises(ConfigurationError, match="removes no channel"):
        prune_l1_structured(candidate, SAMPLE, target(0.5))


@of("own_code")
def test_a_model_without_a_graph_is_refused_by_channel_and_pruned_by_weight(candidate) -> None:
    with pytest.raises(ConfigurationError, match=r"follows keras\.Sequential and .*, spec\.model is a OwnCode"):
        prune_l1_structured(candidate, SAMPLE, target(0.5))
    pruned = prune_l1_unstructured(candidate, SAMPLE, target(0.5))
    assert all((array == 0).mean() == 0.5 for name, array in pruned.model.arrays.items() if name.endswith("kernel"))


@of("untied")
def test_semi_structured_pruning_keeps_two_of_four_along_the_inputs(candidate) -> None:
    pruned = prune_l1_semi_structured(candidate, SAMPLE, target(0.5))
    by_name = {
        name: layer.kernel.numpy() for name, layer in layers_of(pruned.model).items() if hasattr(layer, "kernel")
    }
    assert ((by_name["free"].reshape(3, 4, 16) != 0).sum(axis=1) == 2).all()
    assert ((by_name["beside"].reshape(1, 1, 2, 4, 4) != 0).sum(axis=3) == 2).all()
    assert (by_name["stem"] != 0).all()
    assert pruned.notes == ["these weights stayed whole, as their number of inputs is no multiple of 4: stem/kernel"]


@pytest.mark.slow
def test_a_cut_model_recovers_is_smaller_and_is_cut_and_trained_again(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, before = trained
    half = after(job, "prune", {"method": "l1-structured", "amount": 0.5, **FINETUNED}, monkeypatch, name="half")
    assert half.metrics.parameters < 0.4 * before.metrics.parameters
    assert half.metrics.size_bytes < before.metrics.size_bytes
    assert half.metrics.accuracy > before.metrics.accuracy - 0.1
    assert half.details["largestDifference"] == 0
    options = {"method": "l1-structured", "amount": 0.5, "iterations": 2, **FINETUNED, "finetuneEpochs": 1}
    quarter = after(job, "prune", options, monkeypatch, source="half", name="quarter")
    assert quarter.reference.parameters == half.metrics.parameters
    assert quarter.metrics.parameters < 0.5 * half.metrics.parameters
    again = after(job, "train", {"epochs": 1, "batchSize": 64}, monkeypatch, source="quarter", name="again")
    assert again.metrics.parameters == quarter.metrics.parameters


@pytest.mark.slow
def test_a_model_with_a_layer_of_its_own_goes_through_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"factory": "trainwright_trainers.tensorflow.models:transformer", "args": {"depth": 1}}
    job = Job(tmp_path / "job", TRAIN, model, framework="tensorflow")
    code, before = run_here(job, monkeypatch)
    assert code == 0, before
    assert before.metrics.accuracy > 0.8
    pruned = after(job, "prune", {"method": "l1-structured", "amount": 0.5, **FINETUNED}, monkeypatch)
    assert pruned.metrics.parameters < 0.7 * before.metrics.parameters
    assert pruned.metrics.accuracy > before.metrics.accuracy - 0.1
    (note,) = pruned.notes
    assert note.startswith("these layers kept all channels"), "what attention takes and gives stays whole"
    again = after(job, "evaluate", {}, monkeypatch, source="prune")
    assert again.metrics.accuracy == pruned.metrics.accuracy


@pytest.mark.slow
@pytest.mark.parametrize("method", ["l1-unstructured", "l1-semi-structured"])
def test_fine_tuning_keeps_the_zeros_and_the_rest_learns(
    method: str, trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, before = trained
    options = {"method": method, "amount": 0.5, **FINETUNED, "finetuneEpochs": 2}
    result = after(job, "prune", options, monkeypatch, name="sparse")
    weights = load_file(job.root / "steps" / "sparse" / "artifact" / "model.safetensors")
    old = load_file(job.root / "steps" / "train" / "artifact" / "model.safetensors")
    names = [name for name in weights if name.endswith("kernel")]
    if method == "l1-semi-structured":
        names.remove("parameters/0000/kernel")  # one input channel is no four
    for name in names:
        assert (weights[name] == 0).mean() == pytest.approx(0.5, abs=1 / weights[name].size), name
        assert (weights[name] != old[name])[weights[name] != 0].mean() > 0.9, "fine-tuning changes what is left"
    assert result.metrics.sparsity == pytest.approx(0.5, abs=0.15)
    assert result.metrics.accuracy > before.metrics.accuracy - 0.05
    history = (job.root / "steps" / "sparse" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2]


@pytest.mark.slow
def test_a_recipe_that_no_cut_can_have_made_is_refused(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = trained
    folder = job.root / "steps" / "forged" / "artifact"
    folder.mkdir(parents=True)
    for file in (job.root / "steps" / "train" / "artifact").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    description = json.loads((folder / "artifact.json").read_text())
    for shapes, words in (({"parameters/0000/kernel": [3, 3, 1, 9]}, "no part of"), ({"x": [1]}, "recipe.shapes")):
        description["recipe"] = {"shapes": shapes}
        (folder / "artifact.json").write_text(json.dumps(description))
        step = Job(
            job.root, {}, job.model, DIGITS, "look", "steps/forged/artifact", framework="tensorflow", kind="evaluate"
        )
        code, result = run_here(step, monkeypatch)
        assert code != 0
        assert result.fault is not None and words in result.fault.message
