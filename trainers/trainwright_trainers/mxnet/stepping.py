"""One optimizer step over all processes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd

from trainwright_trainers.mxnet.feeding import Batch
from trainwright_trainers.mxnet.losses import Loss, of_samples
from trainwright_trainers.mxnet.networks import statistics, trained
from trainwright_trainers.mxnet.optimization import Optimization
from trainwright_trainers.mxnet.processes import Processes

Guide = Callable[[Any, Any, Any], Any]
"""(inputs, outputs, loss of every sample [n]) -> what is minimized instead, [n]."""


@dataclass(frozen=True)
class Objective:
    """What is made small."""

    model: Any
    loss: Loss
    guide: Guide | None = None
    computing: Any = None
    """What gives the outputs, from `precision.narrowed`; the model itself when None."""

    def losses(self, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """(outputs, loss of every sample [n]) of a batch."""
        outputs = (self.model if self.computing is None else self.computing)(inputs)
        losses = of_samples(self.loss(outputs, targets))
        return outputs, losses if self.guide is None else self.guide(inputs, outputs, losses)


class Step:
    """Computes on this process' samples, with random numbers of its own; then loss, gradients and running statistics
    go through one sum over all processes, and each changes its copy of the model alike."""

    def __init__(
        self, objective: Objective, optimization: Optimization, processes: Processes, seed: int, clipping: float | None
    ) -> None:
        self._objective = objective
        self._optimization = optimization
        self._processes = processes
        self._seed = seed
        self._clipping = clipping
        self._parameters = trained(objective.model)
        self._statistics = statistics(objective.model)

    def __call__(self, batch: Batch, number: int) -> tuple[Any, float, Any]:
        """(loss, learning rate, norm of the gradients before clipping) of optimizer step `number`, counted from 0."""
        loss, gradients = self._compute(batch, number)
        shared = [value / self._processes.size for value in self._statistics]
        loss, gradients, shared = self._sum(loss, gradients, shared)
        for own, value in zip(self._statistics, shared, strict=True):
            own[:] = value
        norm = mx.nd.zeros((1,))
        if self._clipping is not None:
            norm = mx.nd.sqrt(mx.nd.add_n(*[(gradient**2).sum() for gradient in gradients]))
            factor = mx.nd.minimum(self._clipping / (norm + 1e-6), 1)
            gradients = [mx.nd.broadcast_mul(gradient, factor.reshape((1,) * gradient.ndim)) for gradient in gradients]
        rate = self._optimization.update(gradients, number)
        return loss, rate, norm

    def _compute(self, batch: Batch, number: int) -> tuple[Any, list[Any]]:
        """This process' share in the loss and its gradients."""
        loss = mx.nd.zeros((1,), ctx=self._processes.device)
        gradients: list[Any] = []
        for index, (inputs, targets, weight) in enumerate(batch.parts):
            mx.random.seed(random_seed(self._seed, number, self._processes.rank, index))
            with autograd.record():
                _, losses = self._objective.losses(inputs, targets)
                share = losses.mean() * weight
            share.backward()
            loss = loss + share
            own = [parameter.grad() for parameter in self._parameters]
            gradients = (
                [before + more for before, more in zip(gradients, own, strict=True)]
                if gradients
                else [gradient.copy() for gradient in own]
            )
        return loss, gradients

    def _sum(self, loss: Any, gradients: list[Any], shared: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """All of it, summed over all processes in one message."""
        if self._processes.size == 1:
            self._processes.beat()
            return loss, gradients, shared
        values = [loss, *gradients, *shared]
        total = self._processes.sum(mx.nd.concat(*[value.reshape(-1) for value in values], dim=0))
        ends = np.cumsum([value.size for value in values]).tolist()
        parts = [total[end - value.size : end].reshape(value.shape) for value, end in zip(values, ends, strict=True)]
        return parts[0], parts[1 : 1 + len(gradients)], parts[1 + len(gradients) :]


def random_seed(*numbers: int) -> int:
    """A seed for MXNet's random numbers, another one for any other numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] & 0x7FFFFFFF)
