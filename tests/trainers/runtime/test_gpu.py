"""What is told of a GPU; the GPU and NVIDIA's library are all that is made up here."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from trainwright_trainers.runtime.gpu import utilization, watch_gpu
from trainwright_trainers.runtime.progress import Progress

Visible = Callable[[str | None], None]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Visible:
    """NVIDIA's library on a machine of three GPUs that are busy for 10, 20 and 30 %; CUDA_VISIBLE_DEVICES to set."""
    import pynvml

    gpus = {"GPU-a": 10, "GPU-b": 20, "GPU-c": 30}

    def by_index(index: int) -> str:
        if index >= len(gpus):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return list(gpus)[index]

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", by_index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda name: name)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", lambda handle: SimpleNamespace(gpu=gpus[handle]))

    def visible(names: str | None) -> None:
        if names is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)

    return visible


@pytest.mark.parametrize(
    ("visible", "index", "busy"),
    [(None, 0, 0.1), (None, 2, 0.3), ("2,1", 0, 0.3), ("GPU-c, GPU-b", 1, 0.2), ("1", 1, None), (None, 3, None)],
)
def test_a_process_is_told_of_the_gpu_that_it_sees(
    library: Visible, visible: str | None, index: int, busy: float | None
) -> None:
    library(visible)
    assert utilization(index) == busy


def test_without_a_driver_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert utilization(0) is None, "this machine has none"
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    assert utilization(0) is None


def figures(memory: Callable[[], int | None]) -> dict[str, float]:
    progress = Progress()
    watch_gpu(progress, memory)
    found = {family.name.removeprefix("trainwright_training_"): family for family in progress.collect()}
    return {name: family.samples[0].value for name, family in found.items() if name.startswith("gpu_")}


def test_a_gpus_memory_and_work_are_served(library: Visible) -> None:
    library("1")
    assert figures(lambda: 5000) == {"gpu_memory_bytes": 5000, "gpu_utilization_ratio": 0.2}
    assert figures(lambda: None) == {}


def test_each_framework_knows_the_memory_of_its_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax
    import tensorflow as tf
    import torch

    from trainwright_trainers.jax.processes import gpu_memory as of_jax
    from trainwright_trainers.pytorch.processes import gpu_memory as of_pytorch
    from trainwright_trainers.tensorflow.processes import gpu_memory as of_tensorflow

    assert (of_jax(), of_tensorflow(), of_pytorch(torch.device("cpu"))) == (None, None, None)
    device = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_in_use": 7})
    known: dict[Any, int] = {"/device:GPU:0": 8, torch.device("cuda", 1): 9}
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [SimpleNamespace(name=f"/device:{kind}:0")])
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"current": known[name], "peak": 99})
    monkeypatch.setattr(torch.cuda, "memory_allocated", known.__getitem__)
    assert (of_jax(), of_tensorflow(), of_pytorch(torch.device("cuda", 1))) == (7, 8, 9)
