"""Cutting a network to some of its channels: what structured pruning does, and what loading such a model repeats."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import nn

from trainwright.api.base import JsonObject, Model
from trainwright_trainers.runtime.artifacts import ArtifactError


class Kept(Model):
    """The channels of one layer that stay, by their numbers before the cut in rising order; all of a side when None."""

    outputs: list[int] | None = Field(default=None, min_length=1)
    inputs: list[int] | None = Field(default=None, min_length=1)


Cut = Mapping[str, Kept]
"""By the layer's name in the model; layers that are not named stay whole."""

CUTS = TypeAdapter(list[dict[str, Kept]])


class Side(NamedTuple):
    """One side of a kind of layer."""

    counts: tuple[str, ...]
    """The layer's attributes that count its channels."""
    dimension: int
    """The dimension of the weight that runs over them."""
    vectors: bool = False
    """Whether the layer's one-dimensional tensors, such as its bias, run over them."""


class Sides(NamedTuple):
    """Both sides of a kind of layer; a layer without `inputs` gives as many channels as it takes, each from its own."""

    outputs: Side
    inputs: Side | None = None


LINEAR = Sides(Side(("out_features",), 0, vectors=True), Side(("in_features",), 1))
CONVOLUTION = Sides(Side(("out_channels",), 0, vectors=True), Side(("in_channels",), 1))
TRANSPOSED = Sides(Side(("out_channels",), 1, vectors=True), Side(("in_channels",), 0))
DEPTHWISE = Sides(Side(("out_channels", "in_channels", "groups"), 0, vectors=True))
NORMALIZATION = Sides(Side(("num_features",), 0, vectors=True))


def sides_of(layer: nn.Module) -> Sides | None:
    """How the layer's channels can be cut; None when they can't."""
    match layer:
        case nn.Linear():
            return LINEAR
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            if layer.groups == 1:
                return CONVOLUTION
            return DEPTHWISE if layer.groups == layer.in_channels == layer.out_channels else None
        case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            return TRANSPOSED if layer.groups == 1 else None
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d():
            return NORMALIZATION
    return None


def cut_channels(model: nn.Module, cut: Cut) -> None:
    """Cut the model's layers in place to the channels that `cut` keeps.

    Raises:
        ArtifactError: the model has no such layer or channel, or the layer's kind can't be cut.
    """
    layers = dict(model.named_modules())
    for name, kept in cut.items():
        sides = sides_of(layers[name]) if name in layers else None
        if sides is None:
            raise ArtifactError(f"the pruning recipe cuts the layer {name!r}, which this model lacks or can't be cut")
        if kept.outputs is not None:
            _cut_side(layers[name], name, sides.outputs, kept.outputs)
        if kept.inputs is not None and sides.inputs is not None:
            _cut_side(layers[name], name, sides.inputs, kept.inputs)


def read_cuts(recipe: JsonObject) -> list[dict[str, Kept]]:
    """The cuts in an artifact's recipe, in the order in which they were made.

    Raises:
        ArtifactError: the recipe doesn't have the form of cuts.
    """
    try:
        return CUTS.validate_python(recipe.get("cuts", []))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"the pruning recipe at cuts.{where}: {first['msg']}") from error


def _cut_side(layer: nn.Module, name: str, side: Side, kept: list[int]) -> None:
    channels = getattr(layer, side.counts[0])
    if sorted(set(kept)) != kept or kept[0] < 0 or kept[-1] >= channels:
        raise ArtifactError(f"the pruning recipe of {name!r} must keep rising numbers of its {channels} channels")
    for key, parameter in list(layer.named_parameters(recurse=False)):
        setattr(layer, key, nn.Parameter(_select(parameter.detach(), side, kept), parameter.requires_grad))
    for key, buffer in list(layer.named_buffers(recurse=False)):
        setattr(layer, key, _select(buffer, side, kept))
    for count in side.counts:
        setattr(layer, count, len(kept))


def _select(tensor: torch.Tensor, side: Side, kept: list[int]) -> torch.Tensor:
    if tensor.ndim == 0 or (tensor.ndim == 1 and not side.vectors):
        return tensor
    return tensor.index_select(side.dimension if tensor.ndim > 1 else 0, torch.tensor(kept, device=tensor.device))
