"""Nested state, such as an optimizer's, as JSON and tensors apart: nothing needs a pickle."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor

Json = Any
"""What json can write."""


def flatten(tree: object, path: str, tensors: dict[str, Tensor]) -> Json:
    """The tree as JSON, with its tensors put into `tensors` under their paths.

    Every container becomes `{"kind": [...]}`, so that tuples, and keys that are numbers, come back as they were.

    Raises:
        TypeError: the tree holds something else than containers, tensors, numbers, strings and None.
    """
    if isinstance(tree, Tensor):
        tensors[path] = tree.detach()
        return {"tensor": path}
    if isinstance(tree, dict):
        kind = "counter" if isinstance(tree, Counter) else "dict"
        return {kind: [[key, flatten(value, f"{path}/{key}", tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        return {kind: [flatten(item, f"{path}/{index}", tensors) for index, item in enumerate(tree)]}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"{path} is a {type(tree).__name__}")


def unflatten(written: Json, tensors: dict[str, Tensor]) -> Any:
    """The tree that `flatten` was given.

    Raises:
        KeyError, TypeError, ValueError: it was not written by `flatten`.
    """
    if not isinstance(written, dict):
        return written
    ((kind, content),) = written.items()
    if kind == "tensor":
        return tensors[content]
    if kind in ("dict", "counter"):
        found = {key: unflatten(value, tensors) for key, value in content}
        return Counter(found) if kind == "counter" else found
    items = [unflatten(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


class Snapshots:
    """Copies of tensors in the memory of the CPU, into buffers that are used again.

    A copy of what is on a GPU is only begun: it runs there after all that was asked of the GPU before it and before
    all that is asked later, so that training can go on at once.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, tensors: dict[str, Tensor]) -> "Snapshot":
        """Copy the tensors. The copies of the last snapshot must not be needed any more."""
        for name, tensor in tensors.items():
            if name not in self._buffers or self._buffers[name].shape != tensor.shape:
                pinned = tensor.device.type == "cuda"
                self._buffers[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=pinned)
            self._buffers[name].copy_(tensor, non_blocking=True)
        copied = None
        if any(tensor.device.type == "cuda" for tensor in tensors.values()):
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        return Snapshot({name: self._buffers[name] for name in tensors}, copied)


class Snapshot:
    """Copies of tensors at one moment."""

    def __init__(self, tensors: dict[str, Tensor], copied: torch.cuda.Event | None) -> None:
        self._tensors = tensors
        self._copied = copied

    def tensors(self) -> dict[str, Tensor]:
        """The copies, as soon as they are made."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._tensors
