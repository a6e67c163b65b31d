"""FSDP2 in real processes: the same training as DDP's, and checkpoints that any number of processes goes on from.

Tolerances: the processes add up gradients in another order than one process does, which rounds a float32 sum of a few
thousand terms by some 1e-7 of its size. 40 steps carry that on; 1e-5 leaves room for it, and a wrong gradient, a
part of the state that was lost or a sample too many changes the loss by more than 1e-3. The models have neither batch
normalization nor dropout, which depend on the number of processes by their nature.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.runs import QUICK, Ended, Job, run_group, run_here

pytestmark = pytest.mark.slow

VIT = {"factory": "trainwright_trainers.pytorch.models:vit", "args": {"width": 16, "depth": 2, "heads": 2}}
OPTIONS = {
    "epochs": 2,
    "batchSize": 67,  # in no share equal, and the last batch of an epoch leaves most processes one part less
    "optimizer": QUICK,
    "schedule": {"name": "CosineAnnealingLR", "warmupSteps": 3},
    "gradientAccumulation": 3,
    "gradientClipping": 1.0,
    "checkpoint": {"everySteps": 8, "keep": 20},
}
SHARDED = OPTIONS | {"strategy": "fsdp2"}
RELATIVE = 1e-5
"""See above."""


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Ended]:
    """A sharded training of four processes that nothing disturbed."""
    job = Job(tmp_path_factory.mktemp("four"), SHARDED, VIT)
    return job, run_group(job, 4)


def losses(job: Job) -> np.ndarray:
    return np.array([job.losses()[step] for step in range(1, 39)])


def test_the_loss_is_that_of_ddp(four: tuple[Job, Ended], tmp_path: Path) -> None:
    job, ended = four
    assert ended.exit_code == 0, ended.log
    reference = Job(tmp_path / "ddp", OPTIONS, VIT)
    assert run_group(reference, 2).exit_code == 0
    np.testing.assert_allclose(losses(job), losses(reference), rtol=RELATIVE)
    assert ended.result.metrics.accuracy is not None
    scores = [record["accuracy"] for record in job.history() if "accuracy" in record]
    assert scores[-1] == pytest.approx(ended.result.metrics.accuracy)


def test_each_process_holds_its_part_of_weights_and_optimizer(four: tuple[Job, Ended]) -> None:
    job, _ = four
    details = json.loads((job.directory / "result.json").read_text())["details"]
    block = next(row for row in details["memory"]["modules"] if row["name"] == "blocks.0")
    whole = 4 * (2 * 2 * 16 + 16 * 48 + 48 + 16 * 16 + 16 + 16 * 64 + 64 + 64 * 16 + 16)
    assert block["parametersBytes"] == block["gradientsBytes"] == whole / 4
    assert 2 * whole / 4 <= block["optimizerBytes"] < 2 * whole / 4 + 100  # Adam's two averages, and counts of steps


@pytest.mark.parametrize("processes", [2, 1])
def test_a_checkpoint_of_four_processes_goes_on_with_fewer(
    processes: int, four: tuple[Job, Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, _ = four
    job = Job(tmp_path / "job", SHARDED, VIT)
    shutil.copytree(unbroken.root, job.root)
    for path in job.checkpoints.iterdir():
        if path.name > "step-00000016":
            shutil.rmtree(path)
    shutil.rmtree(job.directory / "artifact")
    if processes == 1:
        code, result = run_here(job, monkeypatch)
    else:
        ended = run_group(job, processes)
        code, result = ended.exit_code, ended.result
    assert code == 0, result.fault
    assert result.resumed_from == 16
    np.testing.assert_allclose(losses(job), losses(unbroken), rtol=RELATIVE)
    assert result.artifact is not None


def test_no_checkpoint_holds_a_pickle_and_a_damaged_part_is_passed_over(
    four: tuple[Job, Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, _ = four
    job = Job(tmp_path / "job", SHARDED, VIT)
    shutil.copytree(unbroken.root, job.root)
    newest = max(job.checkpoints.iterdir())
    names = sorted(path.name for path in newest.iterdir())
    assert sum(name.startswith("shard-") for name in names) == 4
    assert {Path(name).suffix for name in names} == {".json", ".safetensors"}
    part = newest / next(name for name in names if name.startswith("shard-00003"))
    part.write_bytes(part.read_bytes()[:-8])
    code, result = run_here(job, monkeypatch)
    assert code == 0, result.fault
    assert result.resumed_from == 32
    assert f"step {int(newest.name.removeprefix('step-'))} is damaged" in result.notes[0]


def test_batch_normalization_trains_in_half_precision_with_recomputed_blocks(tmp_path: Path) -> None:
    model = {"factory": "trainwright_trainers.pytorch.models:resnet8", "args": {"width": 8}}
    options = {"epochs": 2, "batchSize": 64, "optimizer": QUICK, "precision": "bf16"}
    sharded = Job(tmp_path / "sharded", options | {"strategy": "fsdp2", "activationCheckpointing": True}, model)
    reference = Job(tmp_path / "ddp", options, model)
    for job in (sharded, reference):
        assert run_group(job).exit_code == 0
    one, other = (np.array(list(job.losses().values())) for job in (sharded, reference))
    # Both round activations to bf16's 8 bits; weights are rounded when they are gathered, or when they are used.
    np.testing.assert_allclose(one[:10], other[:10], rtol=0.05)
    np.testing.assert_allclose(one[-5:].mean(), other[-5:].mean(), rtol=0.25)


def test_a_checkpoint_of_another_model_is_refused_in_words(
    four: tuple[Job, Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, _ = four
    job = Job(tmp_path / "job", SHARDED, VIT | {"args": VIT["args"] | {"depth": 3}})  # type: ignore[operator]
    shutil.copytree(unbroken.checkpoints, job.checkpoints)
    code, result = run_here(job, monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert "the step's checkpoint is that of another model" in result.fault.message
