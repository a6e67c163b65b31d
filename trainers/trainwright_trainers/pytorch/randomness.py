"""Random numbers: seeded once, and their states kept with every checkpoint."""

import random

import numpy as np
import torch
from torch import Tensor


def seed_all(seed: int, rank: int) -> None:
    """Seed torch, NumPy and Python, differently in every process, as dropout must differ between them."""
    mixed = np.random.SeedSequence([seed, rank])
    torch.manual_seed(int(mixed.generate_state(1, np.uint64)[0]))
    np.random.seed(mixed.generate_state(4))
    random.seed(int(mixed.generate_state(2)[1]))


def capture(device: torch.device) -> Tensor:
    """The states of torch (CPU and this GPU), NumPy and Python, as [n] uint8; n depends on the kind of device only."""
    _, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()
    numpy_parts = [
        np.array(numbers, np.uint32),
        np.array([np.nan if gauss is None else gauss]),
        np.asarray(keys, np.uint32),
        np.array([position, has_gauss], np.int64),
        np.array([cached], np.float64),
    ]
    parts = [torch.from_numpy(part.view(np.uint8)) for part in numpy_parts] + [torch.get_rng_state()]
    if device.type == "cuda":
        parts.append(torch.cuda.get_rng_state(device))
    return torch.cat(parts)


def restore(states: Tensor, device: torch.device) -> None:
    """Go on with the random numbers of `capture`."""
    lengths = [625 * 4, 8, 624 * 4, 16, 8, len(torch.get_rng_state())]
    python, gauss, keys, position, cached, cpu, gpu = torch.split(states, [*lengths, len(states) - sum(lengths)])
    next_gauss = float(gauss.clone().view(torch.float64)[0])
    numbers = python.numpy().view(np.uint32).tolist()
    random.setstate((3, tuple(numbers), None if np.isnan(next_gauss) else next_gauss))
    at, has_gauss = position.clone().view(torch.int64).tolist()
    np.random.set_state(
        ("MT19937", keys.numpy().view(np.uint32), at, has_gauss, float(cached.clone().view(torch.float64)[0]))
    )
    torch.set_rng_state(cpu.clone())
    if device.type == "cuda" and len(gpu):
        torch.cuda.set_rng_state(gpu.clone(), device)
