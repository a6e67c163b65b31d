"""Activation checkpointing: the same training with less memory."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainers.runs import QUICK, Job, run_here
from trainwright_trainers.pytorch import models
from trainwright_trainers.pytorch.activations import recompute_blocks
from trainwright_trainers.pytorch.blocks import blocks
from trainwright_trainers.pytorch.memory import Activations

RESNET = {"factory": "trainwright_trainers.pytorch.models:resnet8", "args": {"width": 4}}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_blocks_of_a_model_are_found_in_its_lists() -> None:
    assert [name for name, _ in blocks(models.resnet8(width=4))] == ["stages.0.0", "stages.1.0", "stages.2.0"]
    assert [name for name, _ in blocks(models.gpt(width=16, depth=2))] == ["blocks.0", "blocks.1"]
    assert list(blocks(models.mlp())) == []


def test_batch_normalization_counts_a_batch_once_and_dropout_is_drawn_once() -> None:
    torch.manual_seed(0)
    plain = models.resnet8(width=4)
    for _, block in blocks(plain):
        block.bn2 = nn.Sequential(block.bn2, nn.Dropout(0.3))  # type: ignore[assignment, arg-type]
    recomputed = copy.deepcopy(plain)
    recompute_blocks(recomputed, "field")
    inputs = torch.randn(8, 1, 8, 8)
    for model in (plain, recomputed):
        torch.manual_seed(1)
        for _ in range(3):
            model(inputs).square().mean().backward()
    for (name, one), (_, other) in zip(plain.named_buffers(), recomputed.named_buffers(), strict=True):
        assert torch.equal(one, other), name
    for (name, one), (_, other) in zip(plain.named_parameters(), recomputed.named_parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.equal(one.grad, other.grad), name


def test_less_is_kept_for_the_backward_pass() -> None:
    kept = []
    for recompute in (False, True):
        model = models.vit(width=32, depth=4)
        if recompute:
            recompute_blocks(model, "field")
        activations = Activations()
        with activations.measured(model, 8):
            model(torch.randn(8, 1, 8, 8)).sum().backward()
        kept.append(sum(activations.by_module.values()))
    assert kept[1] < 0.3 * kept[0]


def test_the_training_is_the_same_and_its_report_tells_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"epochs": 1, "batchSize": 64, "optimizer": QUICK}
    plain = Job(tmp_path / "plain", options, RESNET)
    recomputed = Job(tmp_path / "recomputed", options | {"activationCheckpointing": True}, RESNET)
    kept = []
    for job in (plain, recomputed):
        code, result = run_here(job, monkeypatch)
        assert code == 0, result.fault
        block = next(row for row in result.details["memory"]["modules"] if row["name"] == "stages.2.0")
        assert block["parametersBytes"] == 4 * (8 * 16 * 9 + 16 * 16 * 9 + 8 * 16 + 3 * 2 * 16)
        kept.append(block["activationsBytesPerSample"])
    assert recomputed.losses() == plain.losses()
    assert recomputed.weights() == plain.weights()
    assert kept[1] < 0.5 * kept[0]


def test_a_model_without_blocks_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path / "job", {"epochs": 1, "batchSize": 64, "activationCheckpointing": True})
    code, result = run_here(job, monkeypatch)
    assert code == 2
    assert result.fault is not None
    assert result.fault.message.startswith("spec.steps[train].train.activationCheckpointing: the model has no blocks")
