"""What a training's memory is used for."""

import torch
from torch import nn

from trainwright_trainers.pytorch.memory import REST, Activations, memory_report
from trainwright_trainers.pytorch.processes import Processes


def test_every_byte_is_told_of_once() -> None:
    shared = nn.Linear(16, 16, bias=False)
    model = nn.Sequential(shared, nn.ReLU(), nn.Linear(16, 4))
    model.append(nn.Identity())
    model.token = nn.Parameter(torch.zeros(3))
    model.again = shared  # tied: the same weights by another name
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    activations = Activations()
    with activations.measured(model, samples=2):
        model[2](model[1](model[0](torch.randn(2, 16)))).sum().backward()
    optimizer.step()
    report = memory_report(model, optimizer, activations, Processes(0, 1, torch.device("cpu")))
    rows = {row.pop("name"): row for row in report["modules"]}
    assert {name: row["parametersBytes"] for name, row in rows.items()} == {
        "0": 16 * 16 * 4,
        "2": (16 * 4 + 4) * 4,
        REST: 3 * 4,
    }
    assert rows["0"]["optimizerBytes"] == rows["0"]["gradientsBytes"] == 16 * 16 * 4
    assert rows[REST]["optimizerBytes"] == 0  # it took no part, so SGD has no momentum of it
    # Of two samples: the first layer keeps its input, ReLU and the second layer share what ReLU gave.
    assert rows["0"]["activationsBytesPerSample"] == 16 * 4
    assert sum(row["activationsBytesPerSample"] for row in rows.values()) == 2 * 16 * 4
    assert report["peakBytes"] > 1e7
