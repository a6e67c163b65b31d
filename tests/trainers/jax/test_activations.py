"""Activation checkpointing: the same training with less memory."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.trainers.jax.conftest import MODELS, TRAIN
from tests.trainers.runs import Job, run_here
from trainwright.api.steps import Factory
from trainwright_trainers.jax.blocks import find_blocks
from trainwright_trainers.jax.networks import Network, Variables, make_network

DROPPING = {"factory": "tests.trainers.jax.models:repeated"}
DEEP = {"factory": "trainwright_trainers.jax.models:transformer", "args": {"width": 32, "depth": 4}}


def made(model: dict[str, Any]) -> tuple[Network, Variables, np.ndarray]:
    network = make_network(Factory.model_validate(model))
    inputs = np.random.default_rng(0).random((8, 1, 8, 8), np.float32)
    return network, network.initialize(jax.random.key(0), inputs), inputs


def recomputed(model: dict[str, Any]) -> tuple[Network, Network, Variables, np.ndarray]:
    network, variables, inputs = made(model)
    other = network.recomputing(variables, inputs)
    assert other is not None
    return network, other, variables, inputs


def output_of(network: Network, variables: Variables, inputs: np.ndarray) -> Any:
    """(parameters) -> (sum of the squared outputs, changed state) in training."""

    def run(parameters: Any) -> Any:
        both = Variables(parameters, variables.state)
        outputs, state = network.apply(both, inputs, training=True, key=jax.random.key(1))
        return (outputs**2).sum(), state

    return run


def test_the_blocks_are_the_modules_that_are_repeated() -> None:
    network, variables, inputs = made(DROPPING)

    def run() -> Any:
        return jax.eval_shape(lambda: network.apply(variables, inputs, training=False, key=None))

    assert find_blocks(run) == {"encoder/block0", "encoder/block1"}
    network, variables, inputs = made(MODELS["cnn"])
    assert network.recomputing(variables, inputs) is None


def test_batch_normalization_counts_a_batch_once_and_dropout_is_drawn_once() -> None:
    plain, again, variables, inputs = recomputed(DROPPING)
    results = [
        jax.jit(jax.value_and_grad(output_of(network, variables, inputs), has_aux=True))(variables.parameters)
        for network in (plain, again)
    ]
    leaves = [jax.tree.leaves(result) for result in results]
    assert len(leaves[0]) > 10
    for one, other in zip(*leaves, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_less_is_kept_for_the_backward_pass() -> None:
    plain, again, variables, inputs = recomputed(DEEP)
    kept = []
    for network in (plain, again):
        run = output_of(network, variables, inputs)
        residuals = jax.eval_shape(lambda parameters, run=run: jax.vjp(run, parameters, has_aux=True)[1], variables[0])
        weights = sum(leaf.size for leaf in jax.tree.leaves(variables))
        kept.append(sum(leaf.size for leaf in jax.tree.leaves(residuals)) - weights)
    assert kept[1] < 0.3 * kept[0]


@pytest.mark.slow
def test_the_training_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []
    for name, options in (("plain", {}), ("recomputed", {"activationCheckpointing": True})):
        job = Job(tmp_path / name, TRAIN | {"epochs": 1} | options, MODELS["transformer"], framework="jax")
        code, result = run_here(job, monkeypatch)
        assert code == 0, result.fault
        jobs.append(job)
    plain, again = (list(job.losses().values()) for job in jobs)
    np.testing.assert_allclose(again, plain, rtol=1e-4)


def test_a_model_without_blocks_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = TRAIN | {"activationCheckpointing": True}
    code, result = run_here(Job(tmp_path / "job", options, MODELS["cnn"], framework="jax"), monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert result.fault.message.startswith("spec.steps[train].train.activationCheckpointing: the model has no blocks")
