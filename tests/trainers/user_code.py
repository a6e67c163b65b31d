"""What a user could have in an image: a model, data and losses that do what a test needs.

They are told what to do by variables, since a loss takes no arguments: `AT` is a number of calls, `RANK` a process.
"""

import os
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from trainwright_trainers.data import Splits, digits
from trainwright_trainers.runtime.group import PARENT_VARIABLE

calls = 0


def _once(act: Callable[[], None]) -> None:
    """Act in the training's call number AT of the loss, in the process of rank AT_RANK, once for each file ONCE."""
    global calls
    calls += torch.is_grad_enabled()
    mark = Path(os.environ["ONCE"])
    here = os.environ.get("RANK", "0") == os.environ.get("AT_RANK", "0")
    if here and calls == int(os.environ["AT"]) and not mark.exists():
        mark.touch()
        act()


def loss_that_kills(outputs: Tensor, targets: Tensor) -> Tensor:
    """SIGKILL to this process."""
    _once(lambda: os.kill(os.getpid(), signal.SIGKILL))
    return cross_entropy(outputs, targets)


def loss_that_stops(outputs: Tensor, targets: Tensor) -> Tensor:
    """SIGTERM to the pod's entry point, twice, as an impatient user does it."""

    def stop() -> None:
        for _ in range(2):
            os.kill(int(os.environ[PARENT_VARIABLE]), signal.SIGTERM)
        time.sleep(0.3)  # what the entry point takes at most to notice

    _once(stop)
    return cross_entropy(outputs, targets)


def loss_that_raises(outputs: Tensor, targets: Tensor) -> Tensor:
    """An error of the user's code."""

    def fail() -> None:
        raise KeyError("no such label\nin the table")

    _once(fail)
    return cross_entropy(outputs, targets)


def loss_that_waits(outputs: Tensor, targets: Tensor) -> Tensor:
    """A process that does not end, and leaves word how verbose NCCL was to be."""

    def wait() -> None:
        Path(os.environ["ONCE"]).write_text(os.environ.get("NCCL_DEBUG", ""))
        time.sleep(600)

    _once(wait)
    return cross_entropy(outputs, targets)


def loss_that_scrapes(outputs: Tensor, targets: Tensor) -> Tensor:
    """Reads /metrics as Prometheus would."""

    def scrape() -> None:
        address = f"http://127.0.0.1:{os.environ['TRAINWRIGHT_METRICS_PORT']}/metrics"
        for _ in range(100):
            try:
                with urllib.request.urlopen(address) as reply:
                    Path(os.environ["ONCE"]).write_bytes(reply.read())
                return
            except OSError:
                time.sleep(0.1)

    _once(scrape)
    return cross_entropy(outputs, targets)


def loss_that_dawdles(outputs: Tensor, targets: Tensor) -> Tensor:
    """Slow until there is a file `go` in the directory WATCH; rank 0 writes down how many processes there are."""
    watch = Path(os.environ["WATCH"])
    if torch.is_grad_enabled():
        if os.environ["RANK"] == "0":
            with (watch / "sizes").open("a") as file:
                file.write(f"{os.environ['WORLD_SIZE']}\n")
        if not (watch / "go").exists():
            time.sleep(0.2)
    return cross_entropy(outputs, targets)


def loss_of_infinity(outputs: Tensor, targets: Tensor) -> Tensor:
    """Overflows after some calls."""
    global calls
    calls += 1
    return cross_entropy(outputs, targets) * (float("inf") if calls > 5 else 1.0)


def loss_of_many(outputs: Tensor, targets: Tensor) -> Tensor:
    """Not a mean, as a loss must be."""
    return cross_entropy(outputs, targets, reduction="none")


class Watched(nn.Module):
    """A model that writes down its parameters whenever it is measured, and how large its batches are."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
        self.never_used = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 1, 8, 8] -> [n, 10]."""
        if not self.training and "WATCH" in os.environ:
            state = torch.cat([value.double().flatten() for value in self.layers.state_dict().values()])
            np.save(Path(os.environ["WATCH"]) / f"rank-{os.environ['RANK']}.npy", state.numpy())
        out: Tensor = self.layers(x)
        return out


class Lazy:
    """A map-style data set that reads one sample at a time, and says which."""

    def __init__(self, split: str, source: Splits) -> None:
        self._split = split
        self._samples = getattr(source, split)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if "WATCH" in os.environ:
            with (Path(os.environ["WATCH"]) / f"{self._split}-{os.environ['RANK']}.txt").open("a") as file:
                file.write(f"{index}\n")
        image, label = self._samples[index]
        return torch.from_numpy(image), int(label)


def lazy_digits() -> dict[str, Lazy]:
    """Two splits by name."""
    source = digits()
    return {split: Lazy(split, source) for split in ("train", "validation")}


def not_a_model() -> str:
    """The wrong thing."""
    return "model"


def frozen_model() -> nn.Module:
    """Nothing to train."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    model.requires_grad_(False)
    return model


def with_batch_norm() -> nn.Module:
    """Can't train on one sample."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Linear(32, 10))


def unpicklable_state() -> nn.Module:
    """Its state is no tensor."""

    class Odd(nn.Linear):
        def get_extra_state(self) -> object:
            return object()

        def set_extra_state(self, state: object) -> None:
            pass

    return nn.Sequential(nn.Flatten(), Odd(64, 10))


def not_splits() -> int:
    """The wrong thing."""
    return 7


def empty_split() -> tuple[object, ...]:
    """Nothing to validate on."""
    source = digits()
    nothing = np.zeros((0, 1, 8, 8), np.float32), np.zeros(0, np.int64)
    return (source.train.inputs, source.train.targets), nothing  # type: ignore[attr-defined]


def eleven_labels() -> tuple[object, ...]:
    """A label beyond the model's outputs."""
    source = digits()
    targets = source.train.targets.copy()  # type: ignore[attr-defined]
    targets[-1] = 10
    return (source.train.inputs, targets), source.validation  # type: ignore[attr-defined]


def texts() -> tuple[object, ...]:
    """Inputs that are no numbers."""
    words = np.array(["a", "b"] * 50)
    return (words, np.zeros(100, np.int64)), (words, np.zeros(100, np.int64))


class Hiding(nn.Module):
    """A weight that is no number, and outputs that don't show it: [n, 1, 8, 8] -> [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Linear(64, 10)
        self.hidden = nn.Parameter(torch.full((2,), torch.nan))

    def forward(self, x: Tensor) -> Tensor:
        return self.seen(x.flatten(1)) + self.hidden.nan_to_num().sum()
