"""What is TensorFlow's own in training: fp16 with a scaled loss, and batch normalization in a group."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.trainers.contract.test_train import acting
from tests.trainers.runs import DIGITS, Job, pods, run_group
from tests.trainers.tensorflow.conftest import RESNET
from trainwright_trainers.tensorflow import steps  # noqa: F401 - how TensorFlow is to be loaded

MLP = {"factory": "trainwright_trainers.tensorflow.models:mlp"}
SGD = {"epochs": 1, "batchSize": 256, "optimizer": {"name": "sgd", "learningRate": 0.1}}


def test_a_step_that_overflows_in_fp16_changes_only_the_scale() -> None:
    import keras
    import tensorflow as tf

    from trainwright_trainers.tensorflow.optimization import for_precision
    from trainwright_trainers.tensorflow.processes import alone
    from trainwright_trainers.tensorflow.stepping import Objective, make_step

    model = keras.Sequential([keras.layers.Dense(1, use_bias=False, dtype="mixed_float16")])
    inputs = np.ones((4, 2), np.float32)
    model(inputs)
    optimizer = for_precision(keras.optimizers.SGD(0.5), "fp16")
    optimizer.build(model.trainable_variables)
    processes = alone()
    step = make_step(Objective(model, lambda targets, outputs: outputs * targets), optimizer, processes, 1, 1.0)
    before = model.weights[0].numpy()

    def learn(number: int, targets: float) -> None:
        batch = (tf.constant(inputs), tf.fill((4, 1), targets), tf.constant(1.0))
        *_, norm = step((batch,), np.int64(number)).numpy()
        norms.append(norm)

    norms: list[float] = []
    learn(0, 1e4)  # times the scale, 2^15, it is more than fp16 holds
    np.testing.assert_array_equal(model.weights[0], before)
    assert float(optimizer.dynamic_scale) == 2.0**14
    learn(1, 1e-2)
    np.testing.assert_allclose(before - model.weights[0], 0.5 * 1e-2, rtol=1e-2)
    assert norms[1] == pytest.approx(1e-2 * 2**0.5, rel=1e-2)
    learn(2, 1.0)  # of a norm above 1, which it is cut to
    assert norms[2] == pytest.approx(2**0.5, rel=1e-2)


@pytest.mark.slow
def test_a_group_learns_in_fp16_and_keeps_its_scale(tmp_path: Path) -> None:
    train = {"epochs": 3, "batchSize": 64, "optimizer": {"name": "adam", "learningRate": 1e-2}, "precision": "fp16"}
    train |= {"collectives": {"nccl": [{"name": "NCCL_DEBUG", "value": "WARN"}]}}
    job = acting(Job(tmp_path / "job", train, MLP, framework="tensorflow"), "that_tells_of_nccl", at=6, rank=1)
    ended = run_group(job)
    assert ended.exit_code == 0, ended.log
    assert ended.result.metrics.accuracy is not None
    assert ended.result.metrics.accuracy > 0.8
    (newest,) = sorted(job.checkpoints.glob("step-*"))[-1:]
    tensors = load_file(newest / "tensors.safetensors")
    scales = [array for name, array in tensors.items() if name.startswith("optimizer/") and array.size == 1]
    assert any(scale >= 2**10 for scale in scales)
    assert all(array.dtype == np.float32 for name, array in tensors.items() if name.startswith("parameters/"))
    assert Path(job.environment["ONCE"]).read_text() == "WARN", "NCCL's settings are those of every process"


@pytest.mark.slow
def test_batch_normalization_over_all_samples_makes_a_group_train_as_one_process(tmp_path: Path) -> None:
    one, two = (Job(tmp_path / name, SGD, RESNET, framework="tensorflow") for name in ("one", "two"))
    assert run_group(one, 1).exit_code == 0
    ended = run_group(two, 2)
    assert ended.exit_code == 0, ended.log
    assert not ended.result.notes
    np.testing.assert_allclose(list(two.losses().values()), list(one.losses().values()), rtol=1e-3)


@pytest.mark.slow
def test_batch_normalization_over_own_samples_is_told_of(tmp_path: Path) -> None:
    model = {"factory": "tests.trainers.tensorflow.models:of_own_statistics"}
    job = replace(Job(tmp_path / "job", SGD, model, DIGITS), framework="tensorflow")
    ended = run_group(job, 2)
    assert ended.exit_code == 0, ended.log
    (note,) = ended.result.notes
    assert note.startswith("spec.model: batch normalization in own goes over each device's own samples")


@pytest.mark.slow
def test_a_process_that_dies_while_the_other_is_busy_is_noticed_at_once(tmp_path: Path) -> None:
    job = Job(tmp_path / "job", SGD | {"batchSize": 65}, MLP, framework="tensorflow")
    with pods(acting(job, "that_kills_while_others_are_busy", at=6, rank=1), nodes=2) as running:
        other, dead = running
        assert dead.wait().exit_code == 137
        begun = time.monotonic()
        ended = other.wait()
    assert time.monotonic() - begun < 10, ended.log
    assert ended.exit_code == 1, ended.log
    assert ended.result.fault is not None
    assert ended.result.fault.secondary
    assert "rank 1 is gone" in ended.result.fault.message


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_does_not_get_on_is_named_in_time(rank: int, tmp_path: Path) -> None:
    train = SGD | {"batchSize": 65, "collectives": {"timeoutSeconds": 8}}
    job = acting(Job(tmp_path / "job", train, MLP, framework="tensorflow"), "that_waits", at=6, rank=rank)
    ended = run_group(job)
    assert ended.exit_code == 1, ended.log
    assert ended.result.fault is not None
    assert (ended.result.fault.kind, ended.result.fault.rank) == ("HungProcess", rank), ended.result.fault
    assert f"rank {rank} stood still" in ended.result.fault.message
