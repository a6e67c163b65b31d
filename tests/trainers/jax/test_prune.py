"""Pruned models are what they say: sparse ones stay sparse, cut ones are really smaller and load again."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.trainers.jax import models
from tests.trainers.jax.conftest import after
from tests.trainers.runs import Job
from trainwright.api.contract import StepResult
from trainwright.api.steps import Factory
from trainwright_trainers.chain.channels import Structure
from trainwright_trainers.chain.prune.l1_semi_structured import prune_l1_semi_structured
from trainwright_trainers.chain.prune.l1_structured import prune_l1_structured
from trainwright_trainers.chain.prune.l1_unstructured import prune_l1_unstructured
from trainwright_trainers.chain.prune.method import Target
from trainwright_trainers.chain.weights import read_shapes
from trainwright_trainers.jax.artifacts import Model
from trainwright_trainers.jax.networks import make_network
from trainwright_trainers.jax.prune.candidate import Candidate
from trainwright_trainers.jax.trees import flatten
from trainwright_trainers.runtime.artifacts import ArtifactError, Description, Signature
from trainwright_trainers.runtime.errors import ConfigurationError

FINETUNED = {"finetuneEpochs": 6, "batchSize": 64, "optimizer": {"name": "adamw", "learningRate": 1e-2}}
SAMPLE = np.random.default_rng(0).normal(size=(1, 1, 8, 8)).astype(np.float32)


def model_of(name: str) -> Candidate:
    """A model of this folder with random weights."""
    network = make_network(Factory(factory=f"{models.__name__}:{name}"))
    variables = jax.jit(network.initialize)(jax.random.key(0), SAMPLE)
    return Candidate(Model(network, variables, jax.ShapeDtypeStruct(SAMPLE.shape, SAMPLE.dtype)))


def shapes_of(model: Candidate) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's parameters by their short names."""
    arrays = model.arrays
    return {name.removeprefix("parameters/").removesuffix("/kernel"): array.shape for name, array in arrays.items()}


def channels_of(structure: Structure) -> dict[str, int]:
    """The groups of a model by their short names."""
    names = [group.name.removeprefix("parameters/").removesuffix("/kernel") for group in structure.groups]
    return dict(zip(names, (group.channels for group in structure.groups), strict=True))


def target(amount: float, *, everywhere: bool = False) -> Target:
    return Target(amount, everywhere, {})


def test_channels_are_followed_through_shortcuts_poolings_and_reshapes() -> None:
    model = model_of("shortcuts")
    # stem, back and down are added to each other; twice takes what before makes and what it makes itself.
    assert channels_of(model.structure) == {"back": 8, "inside": 12, "up": 6, "before": 16}
    pruned = prune_l1_structured(model, SAMPLE, target(0.5))
    shapes = shapes_of(pruned.model)
    assert (shapes["stem"], shapes["inside"], shapes["back"]) == ((3, 3, 1, 4), (3, 3, 4, 6), (1, 1, 6, 4))
    assert (shapes["norm/scale"], shapes["state/batch_stats/norm/mean"]) == ((6,), (6,))
    assert (shapes["up"], shapes["down"]) == ((2, 2, 4, 3), (2, 2, 3, 4))
    assert (shapes["before"], shapes["twice"], shapes["answer"]) == ((4 * 16, 8), (8, 8), (8, 10))
    assert not pruned.notes
    assert pruned.model.run(SAMPLE).shape == (1, 10)


def test_what_is_tied_to_uncuttable_parts_stays_whole_and_is_named() -> None:
    model = model_of("untied")
    assert channels_of(model.structure) == {"free": 16}
    pruned = prune_l1_structured(model, SAMPLE, target(0.5))
    assert shapes_of(pruned.model)["free"] == (12, 8)
    (note,) = pruned.notes
    for name in ("stem", "beside", "normed"):
        assert name in note
    assert "answer" not in note


def test_functions_whose_weights_lie_the_other_way_round_are_cut() -> None:
    pruned = prune_l1_structured(model_of("plain"), SAMPLE, target(0.25))
    assert shapes_of(pruned.model) == {"into": (24, 64), "out": (10, 24), "scale": (24,)}


def test_the_channels_of_least_magnitude_go() -> None:
    model = model_of("plain")
    model.model.variables.parameters["into"] = model.model.variables.parameters["into"].at[5].multiply(1e-3)
    model.model.variables.parameters["out"] = model.model.variables.parameters["out"].at[:, 5].multiply(1e-3)
    pruned = prune_l1_structured(model, SAMPLE, target(1 / 32))
    np.testing.assert_array_equal(
        pruned.model.model.variables.parameters["into"], np.delete(model.model.variables.parameters["into"], 5, axis=0)
    )


def test_global_scope_takes_the_weakest_of_all_layers() -> None:
    shapes = shapes_of(prune_l1_structured(model_of("shortcuts"), SAMPLE, target(0.5, everywhere=True)).model)
    left = shapes["stem"][-1] + shapes["inside"][-1] + shapes["up"][-1] + shapes["before"][-1]
    assert left == (8 + 12 + 6 + 16) // 2
    assert (shapes["stem"][-1], shapes["inside"][-1], shapes["before"][-1]) != (4, 6, 8)


def test_a_size_in_the_models_code_is_refused_rather_than_cut_wrongly() -> None:
    with pytest.raises(ConfigurationError, match="can't follow this model's structure; l1-unstructured can"):
        prune_l1_structured(model_of("size_in_code"), SAMPLE, target(0.5))


def test_nothing_to_remove_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="removes no channel"):
        prune_l1_structured(model_of("plain"), SAMPLE, target(0.01))


def test_unstructured_pruning_zeroes_the_smallest_weights() -> None:
    model = model_of("plain")
    pruned = prune_l1_unstructured(model, SAMPLE, target(0.75))
    before, after = (
        np.asarray(model.model.variables.parameters["into"]),
        pruned.model.model.variables.parameters["into"],
    )
    assert (after == 0).mean() == 0.75
    assert np.abs(before[after == 0]).max() <= np.abs(before[after != 0]).min()
    np.testing.assert_array_equal(after[after != 0], before[after != 0])
    assert (pruned.model.arrays["parameters/scale"] == 1).all()


def test_semi_structured_pruning_keeps_two_of_four_along_the_inputs() -> None:
    pruned = prune_l1_semi_structured(model_of("untied"), SAMPLE, target(0.5))
    kernels = {name: np.asarray(array) for name, array in flatten(pruned.model.model.variables.parameters).items()}
    free = kernels["free/kernel"]  # [inputs, outputs]
    assert ((free.reshape(3, 4, 16) != 0).sum(axis=1) == 2).all()
    beside = kernels["beside/kernel"]  # [height, width, inputs, outputs]
    assert ((beside.reshape(1, 1, 2, 4, 4) != 0).sum(axis=3) == 2).all()
    assert "stem" in pruned.notes[0]
    assert (kernels["stem/kernel"] != 0).all()


@pytest.mark.parametrize(
    "shapes",
    [
        {"parameters/into": [65, 64]},
        {"parameters/into": [0, 64]},
        {"parameters/into": [64]},
        {"parameters/other": [1]},
        {"parameters/into": ["8", 64]},
        [],
        {"parameters/into": 7},
    ],
    ids=str,
)
def test_a_recipe_that_no_cut_can_have_made_is_refused(shapes: object) -> None:
    whole = {"parameters/into": np.zeros((64, 64))}
    description = Description(
        name="half",
        format="safetensors",
        model=Factory(factory="a:b"),
        inputs=[Signature(name="x", dtype="float32", shape=["batch"])],
        recipe={"shapes": shapes},
    )
    with pytest.raises(ArtifactError, match=r"recipe\.shapes"):
        read_shapes(description, whole)


@pytest.mark.slow
def test_a_cut_model_recovers_is_smaller_and_is_cut_again(
    trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, before = trained
    half = after(job, "prune", {"method": "l1-structured", "amount": 0.5, **FINETUNED}, monkeypatch, name="half")
    assert half.metrics.parameters is not None and before.metrics.parameters is not None
    assert half.metrics.parameters < 0.8 * before.metrics.parameters
    assert half.metrics.size_bytes is not None and before.metrics.size_bytes is not None
    assert half.metrics.size_bytes < before.metrics.size_bytes
    assert half.metrics.accuracy is not None and before.metrics.accuracy is not None
    assert half.metrics.accuracy > before.metrics.accuracy - 0.1
    assert half.details["largestDifference"] == 0
    options = {"method": "l1-structured", "amount": 0.5, "iterations": 2, **FINETUNED, "finetuneEpochs": 1}
    quarter = after(job, "prune", options, monkeypatch, source="half", name="quarter")
    assert quarter.reference.parameters == half.metrics.parameters
    assert quarter.metrics.parameters is not None
    assert quarter.metrics.parameters < half.metrics.parameters
    # It is a model like any other: it is exported, and trained on.
    exported = after(job, "export", {"format": "onnx"}, monkeypatch, source="quarter", name="onnx")
    assert exported.metrics.accuracy == quarter.metrics.accuracy
    again = after(job, "train", {"epochs": 1, "batchSize": 64}, monkeypatch, source="quarter", name="again")
    assert again.metrics.parameters == pytest.approx(quarter.metrics.parameters, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["l1-unstructured", "l1-semi-structured"])
def test_fine_tuning_keeps_the_zeros_and_the_rest_learns(
    method: str, trained: tuple[Job, StepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, before = trained
    result = after(job, "prune", {"method": method, "amount": 0.5, **FINETUNED}, monkeypatch, name="sparse")
    weights = load_file(job.root / "steps" / "sparse" / "artifact" / "model.safetensors")
    old = load_file(job.root / "steps" / "train" / "artifact" / "model.safetensors")
    kernels = [name for name in weights if name.endswith("kernel")]
    if method == "l1-semi-structured":
        kernels = [name for name in kernels if "Conv_0" not in name]
    for name in kernels:
        assert (weights[name] == 0).mean() == pytest.approx(0.5, abs=1 / weights[name].size), name
        assert (weights[name] != old[name])[weights[name] != 0].mean() > 0.9, "fine-tuning changes what is left"
    assert result.metrics.sparsity == pytest.approx(0.5, abs=0.15)
    assert result.metrics.accuracy is not None and before.metrics.accuracy is not None
    assert result.metrics.accuracy > before.metrics.accuracy - 0.1
    history = (job.root / "steps" / "sparse" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [*range(1, 7)]
