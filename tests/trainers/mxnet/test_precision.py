"""bf16: what it computes in, what stays in fp32, and that a training in it goes on as it was."""

import json
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from tests.trainers.mxnet.conftest import CNN, TRAIN, after, train
from tests.trainers.runs import Job, run_group
from trainwright.api.contract import StepResult
from trainwright.local.interpreters import interpreter_of

pytestmark = pytest.mark.slow

BF16 = TRAIN | {"epochs": 6, "precision": "bf16"}
BATCHES = 20
"""Optimizer steps of an epoch."""

# Run by the Python that has MXNet: a network with batch normalization and dropout, and what training computes with.
PROGRAM = """
import json
import mxnet as mx
import numpy as np
from mxnet import autograd
from trainwright.api.steps import Factory
from trainwright_trainers.mxnet.losses import cross_entropy
from trainwright_trainers.mxnet.networks import kept, make_network, trained
from trainwright_trainers.mxnet.precision import narrowed
from trainwright_trainers.mxnet.stepping import Objective

factory = Factory(factory="trainwright_trainers.mxnet.models:cnn", args={"widths": [8, 16], "dropout": 0.5})
inputs = np.random.default_rng(0).random((8, 1, 8, 8), "float32")
model, sample, targets = make_network(factory, "model", inputs), mx.nd.array(inputs), mx.nd.arange(8)

def values():
    return {name: array.asnumpy().tolist() for name, array in kept(model).items()}

def outputs(seed, training):
    mx.random.seed(seed)
    with autograd.record(train_mode=training):
        found, losses = Objective(model, cross_entropy, computing=block).losses(sample, targets)
    losses.backward()
    return found

first = values()
block = narrowed(model, "bf16", sample, "precision", "model")
untouched = values() == first
graph = block._cached_graph[1].get_internals()
types = dict(zip(graph.list_outputs(), graph.infer_type(data="float32")[1]))
plain = model(sample).asnumpy()
narrow = outputs(0, False)
drawn = [outputs(seed, True) for seed in (1, 1, 2)]
print(json.dumps({
    "layers": {name: np.dtype(kind).names for name, kind in types.items() if name.endswith("_fwd_output")},
    "inputs": {name: np.dtype(types[name]).name for name in graph.list_inputs()},
    "untouched": untouched,
    "off": float(abs(narrow.asnumpy() - plain).max() / abs(plain).max()),
    "given": sorted({np.dtype(array.dtype).name for array in (narrow, *drawn)}),
    "gradients": sorted({np.dtype(parameter.grad().dtype).name for parameter in trained(model)}),
    "drawn": [array.asnumpy().tolist() for array in drawn],
    "moved": {name: now != first[name] for name, now in values().items()},
}))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program says."""
    command = [str(interpreter_of("mxnet")), "-c", PROGRAM]
    folder = tmp_path_factory.mktemp("program")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, StepResult]:
    """A network that was trained in bf16 on the digits."""
    return train(tmp_path_factory.mktemp("narrow") / "job", BF16)


def test_the_layers_compute_in_bf16_and_the_parameters_stay_in_fp32(facts: dict[str, Any]) -> None:
    narrow = {name for name, kind in facts["layers"].items() if kind == ["bfloat16"]}
    layers = ("conv0", "batchnorm0", "relu0", "conv1", "batchnorm1", "relu1", "pool0", "dense0")
    assert {f"{layer}_fwd_output" for layer in layers} <= narrow, facts["layers"]
    assert len(facts["inputs"]) == 13
    assert set(facts["inputs"].values()) == {"float32"}
    assert (facts["gradients"], facts["given"]) == (["float32"], ["float32"])
    assert 0 < facts["off"] < 0.05


def test_running_statistics_follow_the_samples_and_dropout_draws(facts: dict[str, Any]) -> None:
    assert facts["untouched"]
    assert {name for name, moved in facts["moved"].items() if moved} == {
        f"state/{layer}.running_{what}" for layer in (1, 4) for what in ("mean", "var")
    }
    first, again, other = facts["drawn"]
    assert first == again
    assert first != other


def test_a_training_in_bf16_learns_and_leaves_a_model_in_fp32(
    narrow: tuple[Job, StepResult], trained: tuple[Job, StepResult]
) -> None:
    job, result = narrow
    assert result.metrics.accuracy is not None
    assert result.metrics.accuracy > 0.8
    scores = [record["accuracy"] for record in job.history() if "accuracy" in record]
    assert scores[-1] == pytest.approx(result.metrics.accuracy, abs=0.005)
    arrays = safetensors.numpy.load_file(job.directory / "artifact" / "model.safetensors")
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    assert after(job, "evaluate", {}).metrics.accuracy == result.metrics.accuracy
    # The same samples in the same order, rounded to bf16's 8 bits.
    losses, in_fp32 = (list(of.losses().values())[:BATCHES] for of in (job, trained[0]))
    assert losses != in_fp32
    np.testing.assert_allclose(losses[:3], in_fp32[:3], rtol=0.05)


def test_a_killed_training_in_bf16_goes_on_with_equal_losses(narrow: tuple[Job, StepResult], tmp_path: Path) -> None:
    reference, _ = narrow
    at = {"ONCE": str(tmp_path / "once"), "AT": str(64 * 2 * BATCHES), "AT_RANK": "0"}
    data = {"factory": "tests.trainers.contract.acting_data:that_kills"}
    options = BF16 | {"checkpoint": {"everySteps": 10}}
    job = replace(reference, root=tmp_path / "job", train=options, data=data, environment=at)
    killed = run_group(job, 1)
    assert killed.exit_code == 128 + signal.SIGKILL, killed.log
    resumed = run_group(job, 1)
    assert resumed.exit_code == 0, resumed.log
    assert resumed.result.resumed_from is not None
    assert 0 < resumed.result.resumed_from < BATCHES * BF16["epochs"]
    assert job.losses() == reference.losses()
    assert job.weights() == reference.weights()


def test_a_profile_is_of_the_operations_in_bf16(narrow: tuple[Job, StepResult]) -> None:
    job, _ = narrow
    one_by_one = {"MXNET_ENGINE_TYPE": "NaiveEngine"}  # else the trace has a model's operations as one
    options = {"steps": 2, "batchSize": 64, "precision": "bf16"}
    ended = run_group(
        replace(job, kind="profile", name="where", train=options, input="steps/train/artifact", environment=one_by_one),
        1,
    )
    assert ended.exit_code == 0, ended.log
    (path,) = ended.result.details["files"]
    names = {event.get("name") for event in json.loads((job.root / path).read_text())["traceEvents"]}
    assert {"amp_cast", "_backward_amp_cast"} <= names


@pytest.mark.parametrize(
    ("factory", "precision", "words"),
    [
        ("tests.trainers.mxnet.models:scaled", "bf16", ["Scaled", "hybrid_forward"]),
        ("tests.trainers.mxnet.models:grouped", "bf16", ["spec.model", "bf16 on cpu(0)", "fp32"]),
        (CNN["factory"], "fp16", ["fp32 or bf16, not in fp16"]),
    ],
    ids=["forward", "layer", "fp16"],
)
def test_what_mxnet_cannot_train_so_is_refused_with_the_field(
    factory: str, precision: str, words: list[str], tmp_path: Path
) -> None:
    options = TRAIN | {"precision": precision}
    ended = run_group(Job(tmp_path / "job", options, {"factory": factory}, framework="mxnet"), 1)
    assert ended.exit_code == 2, ended.log
    assert ended.result.fault is not None
    for word in ["spec.steps[train].train.precision: ", *words]:
        assert word in ended.result.fault.message
